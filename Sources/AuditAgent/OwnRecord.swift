// Enters: what the agent itself has to say. Leaves: the plaintext of a Record.
internal import Audit
internal import Memory
internal import RecordRing

/// Why a life of the agent writes where it writes, and what was there before: message Log.
public struct LogBeginning: Equatable, Sendable {
    public enum Reason: UInt8, Sendable {
        case new = 1
        case opened = 2
        case rolledBack = 3
        case damaged = 4
    }

    public var reason: Reason
    /// The log that was there: its id, entries and root. Of one that is opened, what it was when it was.
    public var previousLog: [UInt8] = []
    public var previousSize: UInt64 = 0
    public var previousRoot: [UInt8] = []
    /// Entries of the newest checkpoint that was anchored.
    public var anchorSize: UInt64 = 0

    public init(_ reason: Reason) { self.reason = reason }
}

/// A record that has no source: the agent makes it.
enum OwnRecord: Equatable {
    case log(LogBeginning, agent: String)
    case clock(ClockState, stepNanoseconds: Int64)
    case keys(purpose: String, kid: String, action: String)
    /// A server died without saying that it ends.
    case lost(high: UInt64, low: UInt64)
    case alarm(name: String, text: String)
    /// Refused connections that have no records of their own.
    case refused(RefusedShare.Rest)

    private static let textBytesMax = 4096

    /// Whether a checkpoint follows at once.
    var isUrgent: Bool {
        switch self {
        case .log, .keys: true
        // After a step of the clock the next checkpoint is due by the new time.
        case .clock(_, let step): step != 0
        case .lost, .alarm, .refused: false
        }
    }

    /// - Parameter source: of an alarm that stands for a record of a ring.
    func plaintext(time: UInt64, source: RecordSource? = nil, blind: [UInt8]) -> [UInt8] {
        var record = RecordWriter()
        record.fixed64(1, time)
        if let source { record.message(2) { source.write(to: &$0) } }
        record.message(field, write)
        record.data(31, blind)
        return record.bytes
    }

    private var field: Int {
        switch self {
        case .refused: 5
        case .lost: 8
        case .log: 9
        case .clock: 10
        case .keys: 11
        case .alarm: 15
        }
    }

    private func write(_ event: inout RecordWriter) {
        switch self {
        case .log(let beginning, let agent):
            event.number(1, beginning.reason.rawValue)
            event.text(2, agent)
            event.data(3, beginning.previousLog)
            event.number(4, beginning.previousSize)
            event.data(5, beginning.previousRoot)
            event.number(6, beginning.anchorSize)
        case .clock(let state, let step):
            event.number(1, state.status)
            event.number(2, state.maxErrorMicroseconds)
            event.number(3, state.estErrorMicroseconds)
            event.number(4, step.magnitude)
            event.flag(5, step < 0)
        case .keys(let purpose, let kid, let action):
            event.text(1, purpose)
            event.text(2, kid)
            event.text(3, action)
        case .lost(let high, let low):
            event.number(1, ServerPhase.lost)
            let bytes = [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
            event.data(2, bytes)
        case .refused(let rest):
            event.text(1, "others")
            event.text(2, "others")
            event.number(4, rest.count)
            event.fixed64(5, rest.first)
            event.fixed64(6, rest.last)
        case .alarm(let name, let text):
            event.text(1, name)
            event.text(2, String(decoding: text.utf8.prefix(Self.textBytesMax), as: UTF8.self))
        }
    }
}

/// Of message Server.
enum ServerPhase {
    static let ended: UInt64 = 3
    static let lost: UInt64 = 4
}

/// Where in a server's rings a record was: message Source.
struct RecordSource: Equatable {
    /// The first 8 bytes of the server's instance, big-endian.
    let instance: UInt64
    let ring: Int
    let sequence: UInt64

    func write(to message: inout RecordWriter) {
        message.fixed64(1, instance)
        message.number(2, ring)
        message.number(3, sequence)
    }

    /// Of the message; below 128, so that its length takes one byte.
    var bytes: Int {
        (instance == 0 ? 0 : 9) + (ring == 0 ? 0 : 1 + varintBytes(UInt64(ring)))
            + (sequence == 0 ? 0 : 1 + varintBytes(sequence))
    }
}
