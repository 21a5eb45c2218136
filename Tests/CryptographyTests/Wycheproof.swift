// Enters: a file of Tests/Fixtures/wycheproof. Leaves: its groups of test vectors.
import Foundation
import TestSupport

/// What a vector says of itself: whether it must be accepted.
enum Verdict: String, Decodable {
    case valid, invalid
    /// Either will do: a form that some standard allows.
    case acceptable
}

/// Bytes, from hexadecimal digits.
struct Hex: Decodable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bytes = Self.bytes(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal digits")
        }
        self.bytes = bytes
    }

    /// `nil`: not pairs of hexadecimal digits.
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

/// The bytes of a literal of hexadecimal digits; spaces are passed over.
func hex(_ text: String) -> [UInt8] {
    guard let bytes = Hex.bytes(text.filter { $0 != " " }) else { fatalError("no hexadecimal digits: \(text)") }
    return bytes
}

private struct File<Group: Decodable>: Decodable { let groups: [Group] }

/// The groups of the file of this name.
func wycheproof<Group: Decodable>(_ name: String, of _: Group.Type) throws -> [Group] {
    try JSONDecoder().decode(File<Group>.self, from: Fixtures.data("wycheproof/\(name)_test.json")).groups
}
