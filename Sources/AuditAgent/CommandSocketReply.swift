// Enters: what became of a request. Leaves: the last line of its answer; and back.
internal import JSON

/// How a request ended: the last line of an answer, {"v":1,"result":"done|refused|failed",…}.
public struct CommandReply: Equatable, Sendable {
    public enum Result: String, CaseIterable, Sendable {
        case done
        /// A hold forbids it, or there is nothing to lift.
        case refused
        case failed
    }

    public let result: Result
    /// For people: what was done, or why not and what to do.
    public let sentence: String
    /// Payload keys that went, or that are held.
    public var keys: Int?
    /// The index of the record that tells the outcome.
    public var record: UInt64?
    /// The kid that the file of payload keys is written under.
    public var storeKey: String?
    /// When that key ends, if its ring says so.
    public var storeKeyEnds: String?

    public init(_ result: Result, _ sentence: String) { (self.result, self.sentence) = (result, sentence) }

    /// The line, with its end.
    public var line: [UInt8] {
        var members: [(name: String, value: JSONValue)] = [
            ("v", .integer(1)), ("result", .string(result.rawValue)), ("sentence", .string(sentence)),
        ]
        if let keys { members.append(("keys", .integer(Int64(keys)))) }
        if let record { members.append(("record", .integer(Int64(clamping: record)))) }
        if let storeKey { members.append(("store_key", .string(storeKey))) }
        if let storeKeyEnds { members.append(("store_key_ends", .string(storeKeyEnds))) }
        return JSONValue.object(JSONObject(members)).encoded + [UInt8(ascii: "\n")]
    }

    /// Reads a line without its end. Total; `nil`: it is no last line of an answer.
    public init?(reading line: [UInt8]) {
        do throws(JSONError) {
            let object = try JSONValue(reading: line, depthMax: 1).object("the answer")
            try object.check(
                required: ["v", "result", "sentence"], optional: ["keys", "record", "store_key", "store_key_ends"])
            guard try object.integer("v") == 1, let result = Result(rawValue: try object.string("result")) else {
                return nil
            }
            self.init(result, try object.string("sentence"))
            if object["keys"] != nil { keys = Int(try object.integer("keys")) }
            if object["record"] != nil { record = UInt64(exactly: try object.integer("record")) }
            if object["store_key"] != nil { storeKey = try object.string("store_key") }
            if object["store_key_ends"] != nil { storeKeyEnds = try object.string("store_key_ends") }
        } catch {
            return nil
        }
    }
}
