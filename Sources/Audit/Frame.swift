// Enters: bytes behind a segment's header. Leaves: one frame, or why there is none.
public import Memory

/// What stands in a segment behind its header (TRUST 4.1, "frame"): 16 bytes of head, then a body.
public struct Frame: BitwiseCopyable {
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
        case record = 1
        case checkpoint = 2
        case seal = 3
    }

    public static let headBytes = 16
    public static let bodyBytesMax = 1 << 20
    /// The digest of the plaintext, and the tag.
    public static let recordBodyBytesMin = 48
    /// Of a record: its head and the digest.
    static let authenticatedBytes = 48
    static let sealBodyBytes = 5

    public let kind: Kind
    /// Entries before it.
    public let index: UInt64
    /// Head and body.
    public let bytes: ByteView

    public var body: ByteView { bytes.dropFirst(Self.headBytes) }

    /// The frame at the beginning of `rest`. Errors: `FrameFault`.
    init(_ rest: ByteView) throws(FrameFault) {
        guard rest.count >= Self.headBytes else { throw .cut(bytes: rest.count) }
        guard let kind = Kind(rawValue: rest[0]) else { throw .kind(rest[0]) }
        guard rest[1] == 0, rest[2] == 0, rest[3] == 0 else { throw .reserved }
        let count = Int(rest.bigEndian(at: 4, as: UInt32.self))
        guard count <= Self.bodyBytesMax else { throw .length(count) }
        guard count <= rest.count - Self.headBytes else { throw .cut(bytes: rest.count) }
        (self.kind, index) = (kind, rest.bigEndian(at: 8))
        bytes = rest.prefix(Self.headBytes + count)
    }

    static func appendHead(_ kind: Kind, bodyBytes: Int, index: UInt64, to output: inout [UInt8]) {
        precondition(bodyBytes <= bodyBytesMax, "a body of \(bodyBytes) bytes")
        output += [kind.rawValue, 0, 0, 0]
        output.append(bigEndian: UInt32(bodyBytes))
        output.append(bigEndian: index)
    }
}

/// What is wrong at a place of a segment. It is torn, or was changed.
public enum FrameFault: Error, Equatable, Sendable {
    case cut(bytes: Int)
    case kind(UInt8)
    case reserved
    case length(Int)
    case index(UInt64, wanted: UInt64)
    case recordLength(Int)
    case tag
    case behindSeal
    case checkpointWithoutEntry
    case note
    case seal

    public var sentence: String {
        switch self {
        case .cut(let bytes): "the frame is cut: \(bytes) bytes are left"
        case .kind(let kind): "the frame's kind is \(kind), must be 1, 2 or 3"
        case .reserved: "the frame's second to fourth byte must be zero"
        case .length(let bytes): "the frame's body has \(bytes) bytes, must be at most \(Frame.bodyBytesMax)"
        case .index(let index, let wanted): "the frame's index is \(index), must be \(wanted)"
        case .recordLength(let bytes): "the record has \(bytes) bytes, must be at least \(Frame.recordBodyBytesMin)"
        case .tag: "the record does not open under its segment's key"
        case .behindSeal: "behind a seal stands a frame that is no checkpoint"
        case .checkpointWithoutEntry: "a checkpoint follows another one without an entry between"
        case .note: "the checkpoint is not a note that the segment's key signed in the log's name"
        case .seal: "the seal's reason or its number of checkpoints is wrong"
        }
    }
}

public enum SealReason: UInt8, Sendable {
    case size = 1
    case age = 2
    case key = 3
    case end = 4
    case retention = 5
}
