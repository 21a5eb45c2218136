// Enters: what is wrong with a document. Leaves: a sentence that follows the document's name.

/// Why bytes are no document of ours. Places are offsets in bytes, from 0; sentences count from 1.
public enum JSONError: Error, Equatable, Sendable {
    case notUTF8(at: Int)
    /// Something else than `wanted`, or the end.
    case syntax(at: Int, wanted: String)
    /// A number with a fraction or an exponent.
    case notInteger(at: Int)
    /// An integer that takes more than 64 bits.
    case outOfRange(at: Int)
    case repeatedName(String, at: Int)
    case tooDeep(at: Int, depthMax: Int)
    /// Bytes behind the value.
    case trailing(at: Int)
    case missing(name: String)
    case unknown(name: String, known: [String])
    case kind(name: String, wanted: String, found: String)

    public var sentence: String {
        switch self {
        case .notUTF8(let place): "byte \(place + 1) is not UTF-8"
        case .syntax(let place, let wanted): "at byte \(place + 1) \(wanted) is expected"
        case .notInteger(let place): "the number at byte \(place + 1) is no integer, and only integers are allowed"
        case .outOfRange(let place):
            "the integer at byte \(place + 1) must be between \(Int64.min) and \(Int64.max)"
        case .repeatedName(let name, let place):
            "the name \(Self.quoted(name)) at byte \(place + 1) comes twice in its object; keep one of them"
        case .tooDeep(let place, let depthMax):
            "at byte \(place + 1) lists and objects are nested deeper than \(depthMax), which is the limit"
        case .trailing(let place): "nothing may follow the value, and byte \(place + 1) does"
        case .missing(let name): "\(Self.quoted(name)) is missing"
        case .unknown(let name, let known):
            "\(Self.quoted(name)) is unknown; allowed are \(known.map(Self.quoted).joined(separator: ", "))"
        case .kind(let name, let wanted, let found): "\(Self.quoted(name)) must be \(wanted), and is \(found)"
        }
    }

    /// The beginning of a text that others chose.
    private static func quoted(_ text: String) -> String {
        let clipped = String(text.unicodeScalars.prefix(64))
        return (clipped.utf8.count < text.utf8.count ? clipped + "…" : clipped).debugDescription
    }
}
