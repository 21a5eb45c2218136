// Enters: packets of the audit agent's socket (SOCK_SEQPACKET), as bytes. Leaves: what they say, and the same the other way.
public import Memory

/// What names an audit log: u16 number of the log, 14 random bytes; read as two big-endian numbers.
public struct AuditLogID: Hashable, Sendable, BitwiseCopyable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// The agent's first packet: which log it writes, and how many entries that has.
public struct AgentHello: Equatable, Sendable, BitwiseCopyable {
    public let logID: AuditLogID
    public let size: UInt64

    public init(logID: AuditLogID, size: UInt64) {
        self.logID = logID
        self.size = size
    }

    public static let bytes = 32
    /// "VCJACK1\n"
    private static let magic: UInt64 = 0x5643_4a41_434b_310a

    public init(parsing packet: ByteView) throws(AcknowledgementError) {
        guard packet.count == Self.bytes else { throw .length(packet.count) }
        guard packet.bigEndian(at: 0, as: UInt64.self) == Self.magic else { throw .magic }
        logID = AuditLogID(high: packet.bigEndian(at: 8), low: packet.bigEndian(at: 16))
        size = packet.bigEndian(at: 24)
    }

    /// The packet.
    public var packet: [UInt8] {
        [Self.magic, logID.high, logID.low, size].flatMap { Array(bigEndian: $0) }
    }
}

/// Records of one ring that are durable: `count` of them, the last one `sequence`, at `index` of the log. Both numbers are
/// consecutive within it.
public struct Acknowledgement: Equatable, Sendable, BitwiseCopyable {
    public let ring: UInt32
    public let count: UInt32
    public let sequence: UInt64
    public let index: UInt64

    public init(ring: UInt32, count: UInt32, sequence: UInt64, index: UInt64) {
        self.ring = ring
        self.count = count
        self.sequence = sequence
        self.index = index
    }

    public static let bytes = 24
    /// In one packet.
    public static let countMax = 64

    /// How many acknowledgements a packet holds.
    public static func count(in packet: ByteView) throws(AcknowledgementError) -> Int {
        let count = packet.count / bytes
        guard 1...countMax ~= count, packet.count == count * bytes else { throw .length(packet.count) }
        return count
    }

    /// The one at `place`, below the packet's `count`. Of a server that has so many rings.
    public init(parsing packet: ByteView, at place: Int, rings: Int) throws(AcknowledgementError) {
        let bytes = packet[place * Self.bytes..<(place + 1) * Self.bytes]
        ring = bytes.bigEndian(at: 0)
        count = bytes.bigEndian(at: 4)
        sequence = bytes.bigEndian(at: 8)
        index = bytes.bigEndian(at: 16)
        guard Int(ring) < rings else { throw .ring(ring, rings: rings) }
        guard isPossible else { throw .count(self) }
    }

    /// There are so many sequences, from 1, and so many indexes, from 0.
    var isPossible: Bool { count > 0 && UInt64(count) <= sequence && UInt64(count) - 1 <= index }

    /// A packet of `acknowledgements`, 1 to `countMax` of them.
    public static func packet(_ acknowledgements: [Acknowledgement]) -> [UInt8] {
        precondition(1...countMax ~= acknowledgements.count, "\(acknowledgements.count) acknowledgements")
        return acknowledgements.flatMap { one in
            Array(bigEndian: one.ring) + Array(bigEndian: one.count) + Array(bigEndian: one.sequence)
                + Array(bigEndian: one.index)
        }
    }
}

extension [UInt8] {
    fileprivate init(bigEndian number: some FixedWidthInteger & UnsignedInteger) {
        let bits = number.bitWidth
        self = stride(from: bits - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}

/// Why an agent is refused: the server closes its socket.
public enum AcknowledgementError: Error, Equatable {
    case length(Int)
    case magic
    case ring(UInt32, rings: Int)
    /// No records, or more than there are numbers below its last one.
    case count(Acknowledgement)
    /// The agent's log has fewer entries than a receipt that was given needs: it was rolled back.
    case rolledBack(size: UInt64, index: UInt64)
    /// Records that were acknowledged before, or not yet written.
    case sequence(Acknowledgement, after: UInt64, written: UInt64)
    /// Entries that the log had before.
    case index(Acknowledgement, size: UInt64)

    public var sentence: String {
        switch self {
        case .length(let bytes):
            "a packet of \(bytes) bytes, must be \(AgentHello.bytes) first, then a multiple of \(Acknowledgement.bytes) "
                + "up to \(Acknowledgement.bytes * Acknowledgement.countMax)"
        case .magic: "the first packet does not begin with VCJACK1: no audit agent, or one of another release"
        case .ring(let ring, let rings): "ring \(ring) is acknowledged, must be below \(rings)"
        case .count(let one):
            "\(one.count) records up to \(one.sequence) at index \(one.index) are acknowledged: there are not so many"
        case .rolledBack(let size, let index):
            "the agent's log has \(size) entries, and index \(index) was given in a receipt: "
                + "the log was rolled back; the agent must begin a new one"
        case .sequence(let one, let last, let written):
            "\(one.count) records up to \(one.sequence) are acknowledged, must lie behind \(last) and up to \(written)"
        case .index(let one, let size):
            "index \(one.index) is acknowledged for \(one.count) records, must lie behind \(size) entries"
        }
    }
}
