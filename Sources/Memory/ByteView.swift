// Enters: bytes that somebody owns. Leaves: bounds-checked reading of them, without a copy and without a count.

/// Bytes that lie in memory owned by somebody who outlives the view: an exchange's body or arena, a loaded model, a
/// literal of the program.
///
/// A view is two words, copied freely, and never owns. The contract that makes it `@safe`: whoever hands out a view
/// keeps the bytes in place until the exchange (or the model, or the program) that the view belongs to has ended.
@safe public struct ByteView: BitwiseCopyable, @unchecked Sendable {
    let start: UnsafeRawPointer?
    public let count: Int

    public static var empty: ByteView { ByteView() }

    private init() {
        unsafe start = nil
        count = 0
    }

    @unsafe public init(start: UnsafeRawPointer?, count: Int) {
        precondition(count >= 0, "a view of \(count) bytes")
        unsafe self.start = start
        self.count = count
    }

    @unsafe public init(_ buffer: UnsafeRawBufferPointer) {
        unsafe self.init(start: buffer.baseAddress, count: buffer.count)
    }

    /// The bytes of an array for the length of `body`, which keeps no view of them.
    public static func lending<Result>(_ bytes: [UInt8], _ body: (ByteView) -> Result) -> Result {
        unsafe bytes.withUnsafeBytes { body(unsafe ByteView($0)) }
    }

    /// A literal of the program, which lives as long as the program.
    public init(_ literal: StaticString) {
        unsafe self.init(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
    }

    /// For a C door only: where the bytes lie.
    @unsafe public var pointer: UnsafeRawPointer? { unsafe start }

    /// For a C door only: the bytes as a buffer.
    @unsafe public var buffer: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }

    public var isEmpty: Bool { count == 0 }

    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "byte \(index) of \(count)")
        return unsafe start.unsafelyUnwrapped.load(fromByteOffset: index, as: UInt8.self)
    }

    public subscript(range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        return unsafe ByteView(start: start.map { unsafe $0 + range.lowerBound }, count: range.count)
    }

    public func dropFirst(_ bytes: Int) -> ByteView { self[min(bytes, count)..<count] }

    public func prefix(_ bytes: Int) -> ByteView { self[0..<min(bytes, count)] }

    /// The integer whose little-endian bytes begin at `offset`; needs no alignment.
    public func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type = Integer.self
    ) -> Integer {
        precondition(offset >= 0 && offset <= count - MemoryLayout<Integer>.size, "integer at \(offset) of \(count)")
        return unsafe Integer(
            littleEndian: start.unsafelyUnwrapped.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }

    /// The integer whose big-endian bytes begin at `offset`.
    public func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type = Integer.self
    ) -> Integer {
        littleEndian(at: offset, as: Integer.self).byteSwapped
    }

    /// Whether the first byte lies on a multiple of `alignment`.
    public func isAligned(to alignment: Int) -> Bool { unsafe Int(bitPattern: start) % alignment == 0 }

    /// The bytes, for as long as `body` runs.
    public func withBytes<Result, Failure: Error>(
        _ body: (borrowing RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(
            RawSpan(_unsafeStart: start ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped, byteCount: count))
    }

    public var isUTF8: Bool {
        var allASCII: UInt8 = 0
        for index in 0..<count {
            unsafe allASCII |= start.unsafelyUnwrapped.load(fromByteOffset: index, as: UInt8.self)
        }
        if allASCII < 0x80 { return true }
        do {
            _ = try UTF8Span(
                validating: unsafe Span(
                    _unsafeStart: start.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self), count: count))
            return true
        } catch {
            return false
        }
    }

    /// A copy as text; bytes that are not UTF-8 become U+FFFD. Allocates: for errors and the control plane.
    public var text: String { unsafe String(decoding: buffer, as: UTF8.self) }

    /// The beginning of what a peer chose, for a sentence about it: enough to recognize it, whatever its length.
    public var clippedText: String { prefix(512).text }

    /// A copy. Allocates: for the control plane and tests.
    public var array: [UInt8] { unsafe Array(buffer) }
}

extension ByteView: Hashable {
    public static func == (left: ByteView, right: ByteView) -> Bool {
        guard left.count == right.count else { return false }
        if left.count == 0 { return true }
        return unsafe compareBytes(left.start.unsafelyUnwrapped, right.start.unsafelyUnwrapped, left.count)
    }

    @inline(__always)
    public static func == (left: ByteView, right: StaticString) -> Bool {
        // Mostly they differ in length already: names of headers and fields.
        guard left.count == right.utf8CodeUnitCount else { return false }
        return unsafe left.count == 0 || compareBytes(left.start.unsafelyUnwrapped, right.utf8Start, left.count)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(fnv1a) }

    /// FNV-1a, 64 bits: for tables whose keys the operator chose, not for keys that a peer chose.
    public var fnv1a: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in 0..<count {
            hash =
                (hash ^ UInt64(unsafe start.unsafelyUnwrapped.load(fromByteOffset: index, as: UInt8.self)))
                &* 0x100_0000_01b3
        }
        return hash
    }
}

extension [UInt8] {
    /// A copy of `bytes`.
    public init(copying bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }

    /// The bytes in place. `Span.bytes` is unsafe for elements with padding, which bytes have not.
    public var raw: RawSpan {
        @_lifetime(borrow self)
        borrowing get { unsafe span.bytes }
    }
}
