// Enters: an audit key and a segment's header. Leaves: what opens and seals the records of that segment.
public import Cryptography
public import Memory

/// The key of one segment's records (TRUST 4.1, "keys").
public final class SegmentKeys {
    private var key: CommittedKey

    /// - Parameter committed: the header without its commitment.
    public init(auditKey: Secret, committed: [UInt8]) {
        key = CommittedKey(auditKey, label: "audseg-v1", committed: committed)
    }

    /// What the header must end in.
    public var commitment: [UInt8] { key.commitment }

    /// Appends the plaintext of the record's frame, from head to tag, to `output`. False: the tag is wrong.
    public func open(_ frame: ByteView, index: UInt64, into output: inout [UInt8]) -> Bool {
        frame.withBytes { frame in
            key.open(
                frame.extracting(Frame.authenticatedBytes..<frame.byteCount), number: index,
                authenticating: frame.extracting(0..<Frame.authenticatedBytes), into: &output)
        }
    }

    /// Appends the whole frame of `plaintext` as the record with this index.
    public func seal(_ plaintext: RawSpan, index: UInt64, into output: inout [UInt8]) {
        let start = output.count
        Frame.appendHead(.record, bodyBytes: Frame.recordBodyBytesMin + plaintext.byteCount, index: index, to: &output)
        SHA256.digest(of: plaintext).append(to: &output)
        let head = InlineArray<48, UInt8> { output[start + $0] }
        unsafe key.seal(plaintext, number: index, authenticating: head.span.bytes, into: &output)
    }
}
