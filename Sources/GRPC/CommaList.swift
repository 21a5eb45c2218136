// Enters: a header's value. Leaves: its comma-separated items, trimmed; comparison as HTTP compares tokens.
import Memory

/// The items of a comma-separated header value, where they lie, without the blanks around them (RFC 9110, 5.6.1).
struct CommaList {
    private let value: ByteView
    private var offset = 0
    private var isAtEnd = false

    init(_ value: ByteView) { self.value = value }

    /// The next item, which may be empty; `nil` at the end. A value without a comma is one item.
    mutating func next() -> ByteView? {
        guard !isAtEnd else { return nil }
        var end = offset
        while end < value.count && value[end] != UInt8(ascii: ",") { end += 1 }
        let item = value[offset..<end].trimmed
        isAtEnd = end == value.count
        offset = end + 1
        return item
    }
}

extension ByteView {
    /// Without the spaces and tabs at both ends.
    var trimmed: ByteView {
        var start = 0
        var end = count
        while start < end && self[start].isBlank { start += 1 }
        while end > start && self[end - 1].isBlank { end -= 1 }
        return self[start..<end]
    }

    /// Whether this is `token` (lowercase) when ASCII letters' case is left aside.
    func isToken(_ token: StaticString) -> Bool {
        let token = ByteView(token)
        guard count == token.count else { return false }
        for index in 0..<count {
            let byte = self[index]
            let lowercase = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
            guard lowercase == token[index] else { return false }
        }
        return true
    }

    /// For an error's sentence: the beginning, in quotes, control characters escaped.
    var quoted: String { prefix(64).text.debugDescription + (count > 64 ? "…" : "") }
}

extension UInt8 {
    fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}
