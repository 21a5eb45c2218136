// Enters: bytes of the control plane. Leaves: a view of them that lives as long as their owner.
internal import Glibc

/// Bytes that stay where they are: a model's name, a digest, a header that is written once and sent often.
@safe public final class OwnedBytes: @unchecked Sendable {
    private let start: UnsafeMutableRawPointer
    private let count: Int

    public init(_ bytes: [UInt8]) {
        count = bytes.count
        unsafe start = .allocate(byteCount: max(1, count), alignment: 1)
        unsafe bytes.withUnsafeBytes {
            if let base = $0.baseAddress { unsafe start.copyMemory(from: base, byteCount: count) }
        }
    }

    /// The beginning of an open regular file, from where it stands; at most `bytesMax` bytes. `nil`: errno says why.
    public init?(reading descriptor: CInt, bytesMax: Int) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else {
            errno = EINVAL
            return nil
        }
        let wanted = max(0, min(Int(status.st_size), bytesMax))
        unsafe start = .allocate(byteCount: max(1, wanted), alignment: 64)
        var done = 0
        while done < wanted {
            let read = unsafe Glibc.read(descriptor, start + done, wanted - done)
            if read < 0 && errno == EINTR { continue }
            guard read > 0 else { break }
            done += read
        }
        count = done
    }

    public convenience init(_ text: String) { self.init(Array(text.utf8)) }

    deinit { unsafe start.deallocate() }

    public var view: ByteView { unsafe ByteView(start: UnsafeRawPointer(start), count: count) }
}
