// Enters: flags about the audit log. Leaves: what is recorded, and what becomes of a call that cannot be.
import ArgumentParser
import Foundation
import Glibc
import RecordRing
import Serving

struct AuditOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            A folder in memory, as /dev/shm/vencejo, where each call is recorded for vencejo-audit run --ring; turns auditing on.
            """, valueName: "folder"))
    var auditRing: String?
    @Option(
        help: ArgumentHelp(
            "The room of each shard there, while the agent is away: as 16M (default).", valueName: "bytes"))
    var auditRingBytes: String?
    @Option(
        help: ArgumentHelp(
            """
            When a prediction's answer may leave: ring (its record is in that memory) or disk (the agent has made it durable); \
            and what becomes of calls that cannot be recorded so: closed (refused) or open (counted). Default: ring,closed.
            """, valueName: "policy"))
    var auditPredictions: String?
    @Option(
        help: ArgumentHelp(
            "The same for questions about models. Orders are always disk,closed. Default: ring,closed.",
            valueName: "policy"))
    var auditQuestions: String?
    @Option(
        help: ArgumentHelp(
            """
            Whose data a call has, for vencejo-audit erase: none (default), principal, metadata:NAME or label:NAME.
            """, valueName: "place"))
    var auditSubject: String?
    @Option(
        help: ArgumentHelp(
            "Of messages above 64 KiB: digest (default), taken on executors, or skip.", valueName: "digest|skip"))
    var auditLarge: String?
    @Option(
        help: ArgumentHelp(
            "The number of the agent's user, which has the folder's group. Default: ours.",
            valueName: "uid"))
    var auditAgentUser: String?

    func set(_ set: (Settings.Key, String?) -> Void) {
        set(.auditRing, auditRing)
        set(.auditRingBytes, auditRingBytes)
        set(.auditPredictions, auditPredictions)
        set(.auditQuestions, auditQuestions)
        set(.auditSubject, auditSubject)
        set(.auditLarge, auditLarge)
        set(.auditAgentUser, auditAgentUser)
    }
}

/// Where and how calls are recorded.
struct AuditPlace {
    var folder: String
    var bytesPerRing = 16 << 20
    var settings = AuditSettings(agentUser: getuid())

    init(folder: String) { self.folder = folder }
}

extension Settings {
    static let auditKeys: [Key] = [
        .auditRingBytes, .auditPredictions, .auditQuestions, .auditSubject, .auditLarge, .auditAgentUser,
    ]

    static func audit(_ one: (Key) -> Given?) throws(Failure) -> AuditPlace? {
        guard let folder = one(.auditRing) else {
            for key in auditKeys {
                if let value = one(key) { throw .usage("\(value.origin) is given without \(Key.auditRing.flag)") }
            }
            return nil
        }
        guard !folder.value.isEmpty else { throw .usage("\(folder.origin) is empty: give a folder in memory") }
        var audit = AuditPlace(folder: folder.value)
        if let value = one(.auditRingBytes) { audit.bytesPerRing = try bytes(value) }
        if let value = one(.auditPredictions) { audit.settings.predictions = try policy(value) }
        if let value = one(.auditQuestions) { audit.settings.questions = try policy(value) }
        if let value = one(.auditSubject) { audit.settings.subject = try subject(value) }
        if let value = one(.auditAgentUser) {
            audit.settings.agentUser = UInt32(try integer(value, 0...Int(UInt32.max) - 1))
            audit.settings.agentIsAnother = audit.settings.agentUser != getuid()
        }
        if let value = one(.auditLarge) {
            switch value.value {
            case "digest": audit.settings.digestsLarge = true
            case "skip": audit.settings.digestsLarge = false
            default: throw .usage("\(value.origin): \"\(value.value)\" is not allowed; allowed are digest and skip")
            }
        }
        return audit
    }

    private static func policy(_ given: Given) throws(Failure) -> AuditPolicy {
        let words = given.value.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard words.count == 2, let durability = AuditPolicy.Durability(rawValue: words[0]),
            let otherwise = AuditPolicy.Otherwise(rawValue: words[1])
        else {
            throw .usage(
                "\(given.origin): \"\(given.value)\" is not allowed; allowed are ring,closed ring,open disk,closed and disk,open"
            )
        }
        return AuditPolicy(durability, otherwise)
    }

    private static func subject(_ given: Given) throws(Failure) -> AuditSubject {
        switch given.value {
        case "none": return .none
        case "principal": return .principal
        default: break
        }
        let parts = given.value.split(separator: ":", maxSplits: 1).map(String.init)
        if parts.count == 2, parts[0] == "metadata", parts[1].utf8.allSatisfy(isFieldName) {
            return .metadata(parts[1])
        }
        if parts.count == 2, parts[0] == "label" { return .label(parts[1]) }
        throw .usage(
            "\(given.origin): \"\(given.value)\" is not allowed; allowed are none, principal, metadata:NAME (lower case) and label:NAME"
        )
    }

    /// A name of gRPC metadata (gRPC over HTTP/2, Custom-Metadata).
    private static func isFieldName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
