// Enters: a request's head. Leaves: what the corridor keeps of one exchange.
import GRPC
import HTTP2
import Memory
import PredictionAPI

/// What the corridor knows of one exchange beyond HTTP/2: the gRPC call that it carries.
struct RPC {
    var method = Method.none
    /// On the shard's clock; `Int64.max`: none.
    var deadline = Int64.max
    var encoding = Encoding.identity
    var replyEncoding = Encoding.identity
    /// The caller sent the metadata `vencejo-provenance`: the reply's metadata are to name who answered.
    var wantsProvenance = false
    /// The caller sent the metadata `vencejo-timing`: the reply's trailers are to say where the time went.
    var wantsTiming = false
    /// The caller sent a `traceparent`, good or bad.
    var hasTraceparent = false
    /// The hash of the metadata `vencejo-routing-key`: where traffic is divided all calls of a key go the same way.
    var routingKey: UInt64?
    /// A stream's message is with an executor: the next ones wait for it.
    var isWithExecutor = false
    /// Bytes of its arena that the connection has counted.
    var arenaBytes = 0
    /// It was answered or refused; what still comes of its body is thrown away.
    var isOver = false
    /// ModelControlService.Watch: its errand comes again and again.
    var isFollowed = false
    /// Health.Watch: what was told last, and the service.
    var watched: Watch?
    /// PredictMany: the answers so far.
    var many: PredictManyResponse?

    init() {}

    /// Reads the head (gRPC over HTTP/2: Request-Headers). What is refused has a method too, and a caller who may trace it.
    mutating func read(_ head: Head, now: Int64) throws(Refusal) {
        let method = Method(path: head.path)
        self.method = method ?? .none
        var isTrailersReady = false
        var contentType = ByteView.empty
        var timeout: ByteView?
        var encodingName: ByteView?
        var binaryKeys = false
        var accepted = Encoding.identity
        for index in head.fields.indices {
            let field = head.fields[index]
            switch field.name.count {
            case 2 where field.name == "te": isTrailersReady = field.value == "trailers"
            case 12 where field.name == "content-type": contentType = field.value
            case 12 where field.name == "grpc-timeout": timeout = field.value
            case 13 where field.name == "grpc-encoding": encodingName = field.value
            case 20 where field.name == "grpc-accept-encoding": accepted = Encoding.accepted(in: field.value)
            case 19 where field.name == "vencejo-routing-key": routingKey = field.value.fnv1a
            case 18 where field.name == "vencejo-provenance": wantsProvenance = true
            case 14 where field.name == "vencejo-timing": wantsTiming = true
            case 11 where field.name == "traceparent": hasTraceparent = true
            default: binaryKeys = binaryKeys || BinaryMetadata.isBinary(key: field.name)
            }
        }
        if head.isTooLarge { throw .headTooLarge }
        guard head.method == "POST" else {
            throw .http(405, "the method is \(head.method.clippedText), gRPC uses POST")
        }
        guard ContentType.check(contentType) else {
            throw .http(415, "content-type is \"\(contentType.clippedText)\", gRPC uses application/grpc")
        }
        // From here on the caller speaks gRPC, and gets a gRPC status.
        guard isTrailersReady else { throw .noTrailers }
        if method == nil { throw .unknownMethod(head.path.clippedText) }
        if let timeout { deadline = try Self.deadline(timeout, now: now) }
        if let encodingName {
            do throws(EncodingError) { encoding = try Encoding.parse(encodingName) } catch { throw .encoding(error) }
        }
        // Every stock client says that it takes gzip; who compresses its own messages wants ours compressed.
        if encoding == .gzip { replyEncoding = accepted }
        if binaryKeys { try Self.checkBinary(head.fields) }
    }

    private static func deadline(_ value: ByteView, now: Int64) throws(Refusal) -> Int64 {
        do throws(TimeoutError) {
            let (sum, overflow) = now.addingReportingOverflow(try Timeout.nanoseconds(value))
            return overflow ? .max : sum
        } catch {
            throw .timeout(error)
        }
    }

    private static func checkBinary(_ fields: List<Field>) throws(Refusal) {
        var arena = Arena(firstChunkBytes: 4096, bytesMax: 256 << 10)
        for index in fields.indices where BinaryMetadata.isBinary(key: fields[index].name) {
            do throws(BinaryMetadataError) {
                _ = try BinaryMetadata.decode(fields[index].value, in: &arena)
            } catch {
                throw .binaryMetadata(key: fields[index].name.text, error)
            }
        }
    }
}
