// Enters: an order and what came of it. Leaves: message Admin of vencejo.audit.v1.
import Memory
import Models
import Protobuf
import Serving

struct AdminRecord {
    enum Phase: UInt64 {
        case intent = 1
        case done, failed
    }

    struct Change {
        var model: String
        var from: Int64 = 0
        var to: Int64 = 0
        /// SHA-256 of the file of version `to`; empty: it has none, or is not loaded.
        var artifact: [UInt8] = []
    }

    var phase = Phase.intent
    /// The entry of the intent.
    var intent: UInt64 = 0
    let verb: String
    let principal: String
    let auth: UInt8
    let credential: String
    let author: String
    let reason: String
    var changes: [Change] = []
    var steps: [String] = []
    var epoch: UInt64 = 0
    /// SHA-256 of the file that keeps what is served.
    var before: [UInt8] = []
    var after: [UInt8] = []
    var error = ""
    var isAutomatic = false

    init(_ action: OrderAction, _ signed: Signed) {
        verb = action.rawValue
        principal = signed.caller?.principal ?? "vencejo"
        auth = signed.caller?.auth ?? 0
        credential = signed.caller?.credential ?? ""
        (author, reason) = (signed.author, signed.reason)
    }

    /// A swap may name a thousand models, and a record has 64 KiB.
    private static let changesMax = 256
    private static let stepsMax = 32
    private static let textBytesMax = 1024

    var encoded: [UInt8] {
        Control.encoded { (arena) throws(ArenaFull) in
            var writer = try WireWriter(headroom: 0, expectedBytes: 1024, in: &arena)
            try writer.number(1, phase.rawValue, in: &arena)
            try writer.number(2, intent, in: &arena)
            try text(3, verb, &writer, &arena)
            try text(4, principal, &writer, &arena)
            try writer.number(5, UInt64(auth), in: &arena)
            try text(6, credential, &writer, &arena)
            try text(7, author, &writer, &arena)
            try text(8, reason, &writer, &arena)
            for change in changes.prefix(Self.changesMax) {
                let mark = try writer.begin(9, in: &arena)
                try text(1, change.model, &writer, &arena)
                try writer.number(2, change.from, in: &arena)
                try writer.number(3, change.to, in: &arena)
                try writer.string(4, try arena.copy(change.artifact), in: &arena)
                try writer.end(mark, in: &arena)
            }
            for step in steps.prefix(Self.stepsMax) {
                try writer.element(10, try arena.copy(clipped(step)), in: &arena)
            }
            try writer.number(11, epoch, in: &arena)
            try writer.string(12, try arena.copy(before), in: &arena)
            try writer.string(13, try arena.copy(after), in: &arena)
            try text(14, error, &writer, &arena)
            try writer.bool(15, isAutomatic, in: &arena)
            return writer
        }
    }

    private func text(
        _ field: Int, _ text: String, _ writer: inout WireWriter, _ arena: inout Arena
    ) throws(ArenaFull) {
        try writer.string(field, try arena.copy(clipped(text)), in: &arena)
    }

    /// Cut between characters.
    private func clipped(_ text: String) -> String {
        guard text.utf8.count > Self.textBytesMax else { return text }
        var bytes = 0
        return String(
            text.unicodeScalars.prefix { scalar in
                bytes += UTF8.width(scalar)
                return bytes <= Self.textBytesMax
            }.map(Character.init))
    }
}
