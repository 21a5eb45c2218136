// Enters: what the server knows of a call. Leaves: the same, as a record holds it.
public import Memory

/// A message's bytes, as far as a record keeps them.
public enum RecordBody: BitwiseCopyable, Equatable, Sendable {
    /// There was none, or the policy takes none.
    case none
    /// At most `RecordLayout.bodyBytesMax`; more are left out.
    case copy(ByteView)
    /// Its SHA-256, 32 bytes.
    case digest(ByteView)
    /// It was to be copied and was larger than the call's credit.
    case leftOut
}

/// One call that has ended: what message Call and its payload say in the audit log, as far as the server knows it.
///
/// Views point into memory of the call where a record is written, and into the reader's buffer where one is read. A record
/// that was read may hold any numbers and bytes; texts may not be UTF-8.
public struct RingCall: BitwiseCopyable, Equatable, Sendable {
    // Numbers stand in the order of the record's words, so that they are copied many at a time.

    /// When it began, ns since 1970.
    public var startUnixNanoseconds: UInt64 = 0
    public var version: Int64 = 0
    public var epoch: UInt64 = 0
    public var readNanoseconds: UInt64 = 0
    public var queueNanoseconds: UInt64 = 0
    public var runNanoseconds: UInt64 = 0
    public var totalNanoseconds: UInt64 = 0
    /// Bytes of the gRPC message, uncompressed, without prefix.
    public var requestBytes: UInt64 = 0
    public var answerBytes: UInt64 = 0
    /// The run's number in its server; see `batchRows`, `batchFirst`.
    public var batch: UInt64 = 0
    public var exposure: UInt64 = 0
    public var routingKey: UInt64 = 0
    /// W3C trace id, as two big-endian numbers; zero: none.
    public var traceHigh: UInt64 = 0
    public var traceLow: UInt64 = 0
    /// 0 none, 1 certificate, 2 API key, 3 signature, 4 Unix peer, 5 JWT.
    public var auth: UInt8 = 0
    /// 1 answered, 2 run failed, 3 access, 4 quota, 5 input, 6 limit, 7 expired, 8 cancelled.
    public var verdict: UInt8 = 0
    /// gRPC's, 0 to 16.
    public var status: UInt8 = 0
    /// 1 blue, 2 green, 3 shadow.
    public var slot: UInt8 = 0
    /// 1 memory, 2 Redis.
    public var cache: UInt8 = 0
    /// 1 previous, 2 version, 3 model, 4 constant, 5 stale.
    public var fallback: UInt8 = 0
    /// 1 by key, 2 by chance.
    public var draw: UInt8 = 0
    public var rows: UInt32 = 0
    /// Rows of the run, and this call's first one.
    public var batchRows: UInt32 = 0
    public var batchFirst: UInt32 = 0
    /// Values that Guard changed or flagged.
    public var imputed: UInt32 = 0
    public var clipped: UInt32 = 0
    public var outliers: UInt32 = 0
    public var sharePPM: UInt32 = 0
    /// Its number in its stream.
    public var message: UInt32 = 0
    /// adjtimex(2)'s maxerror; 0: the server does not know it.
    public var clockErrorMicroseconds: UInt32 = 0

    /// `package.Service/Method`, without the slash before it.
    public var method = ByteView.empty
    public var principal = ByteView.empty
    /// Key id, or hex of the certificate's SHA-256.
    public var credential = ByteView.empty
    /// Of the metrics' closed set.
    public var reason = ByteView.empty
    /// As the client named it: `iris`, `iris@7`, `iris:stable`, `iris/green`.
    public var asked = ByteView.empty
    public var model = ByteView.empty
    /// SHA-256 of the model's files, 32 bytes; empty: none.
    public var artifact = ByteView.empty
    public var requestID = ByteView.empty
    /// `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
    public var peer = ByteView.empty
    /// The id that decides which payload key is taken, where metadata names it.
    public var subject = ByteView.empty
    public var labels = RecordLabels.empty
    public var request = RecordBody.none
    public var answer = RecordBody.none
    /// A text was longer than its bound. Set by the writer.
    public internal(set) var isCut = false
    /// There were labels, and no credit for them. Set by the writer.
    public internal(set) var labelsWereLeftOut = false

    public init() {}
}

extension RecordBody {
    /// Two bits of the record.
    @inline(__always)
    var code: UInt64 {
        switch self {
        case .none: return 0
        case .copy: return 1
        case .digest(let bytes):
            precondition(bytes.count == RecordLayout.digestBytes, "a SHA-256 of \(bytes.count) bytes")
            return 2
        case .leftOut: return 3
        }
    }

    @inline(__always)
    var bytes: ByteView {
        switch self {
        case .none, .leftOut: .empty
        case .copy(let bytes), .digest(let bytes): bytes
        }
    }

    /// `nil`: no writer writes that.
    init?(code: UInt64, bytes: ByteView) {
        switch code {
        case 0 where bytes.isEmpty: self = .none
        case 1 where bytes.count <= RecordLayout.bodyBytesMax: self = .copy(bytes)
        case 2 where bytes.count == RecordLayout.digestBytes: self = .digest(bytes)
        case 3 where bytes.isEmpty: self = .leftOut
        default: return nil
        }
    }
}
