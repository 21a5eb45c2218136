// Enters: a line of JSON from the agent's socket. Leaves: an order, or a sentence that says why it is none; and lines of answers.
internal import JSON

/// What the agent can be asked on `DIR/agent.sock`. One line: {"v":1,"command":"erase","subject":…,"reason":…[,"principal":…]},
/// with "hold" also [,"lift":true]; or {"v":1,"command":"status"}.
public enum CommandRequest: Equatable, Sendable {
    case erase(CommandSubject)
    case hold(CommandSubject, isLifted: Bool)
    case status

    /// Bytes of a line, without its end.
    public static let lineBytesMax = 64 << 10

    /// Reads a line. Total. Errors: `CommandRequestError`.
    public init(reading line: [UInt8]) throws(CommandRequestError) {
        guard line.count <= Self.lineBytesMax else {
            throw CommandRequestError(sentence: "the request has more than \(Self.lineBytesMax) bytes")
        }
        do throws(JSONError) { self = try Self.read(line) } catch {
            throw CommandRequestError(sentence: "the request is not understood: \(error.sentence)")
        }
        let fault =
            switch self {
            case .erase(let subject), .hold(let subject, _): subject.fault
            case .status: String?.none
            }
        if let fault { throw CommandRequestError(sentence: fault) }
    }

    private static func read(_ line: [UInt8]) throws(JSONError) -> CommandRequest {
        let object = try JSONValue(reading: line, depthMax: 1).object("the request")
        let version = try object.integer("v")
        guard version == 1 else { throw .kind(name: "v", wanted: "1", found: "\(version)") }
        let command = try object.string("command")
        switch command {
        case "erase":
            try object.check(required: ["v", "command", "subject", "reason"], optional: ["principal"])
            return .erase(try subject(object))
        case "hold":
            try object.check(required: ["v", "command", "subject", "reason"], optional: ["principal", "lift"])
            let isLifted: Bool
            switch object["lift"] {
            case nil: isLifted = false
            case .bool(let value): isLifted = value
            case .some(let other): throw .kind(name: "lift", wanted: "true or false", found: other.kind)
            }
            return .hold(try subject(object), isLifted: isLifted)
        case "status":
            try object.check(required: ["v", "command"])
            return .status
        default:
            throw .kind(name: "command", wanted: "erase, hold or status", found: "another word")
        }
    }

    private static func subject(_ object: JSONObject) throws(JSONError) -> CommandSubject {
        CommandSubject(
            id: try object.string("subject"), reason: try object.string("reason"),
            principal: object["principal"] == nil ? "" : try object.string("principal"))
    }

    /// The line, with its end.
    public var line: [UInt8] {
        var members: [(name: String, value: JSONValue)] = [("v", .integer(1)), ("command", .string(word))]
        switch self {
        case .erase(let subject), .hold(let subject, _):
            members += [("subject", .string(subject.id)), ("reason", .string(subject.reason))]
            if !subject.principal.isEmpty { members.append(("principal", .string(subject.principal))) }
        case .status: break
        }
        if case .hold(_, true) = self { members.append(("lift", .bool(true))) }
        return JSONValue.object(JSONObject(members)).encoded + [UInt8(ascii: "\n")]
    }

    private var word: String {
        switch self {
        case .erase: "erase"
        case .hold: "hold"
        case .status: "status"
        }
    }
}

/// The subject that a request is about, and what the records of it say.
public struct CommandSubject: Equatable, Sendable {
    public let id: String
    public let reason: String
    /// Empty: the peer's user id stands in for it.
    public let principal: String

    public init(id: String, reason: String, principal: String) {
        (self.id, self.reason, self.principal) = (id, reason, principal)
    }

    private static let reasonBytesMax = 1024
    private static let principalBytesMax = 256

    /// What is out of bounds; `nil`: nothing is.
    public var fault: String? {
        for (name, text, bytesMin, bytesMax) in [
            ("subject", id, 1, ErasureSubject.idBytesMax), ("reason", reason, 1, Self.reasonBytesMax),
            ("principal", principal, 0, Self.principalBytesMax),
        ] {
            let bytes = text.utf8.count
            guard (bytesMin...bytesMax).contains(bytes) else {
                return "the \(name) has \(bytes) bytes, must have between \(bytesMin) and \(bytesMax)"
            }
        }
        return nil
    }
}

public struct CommandRequestError: Error, Equatable, Sendable {
    public let sentence: String
}
