// Enters: the names that a log goes by. Leaves: values that can be nothing else.
internal import Memory

/// A log's id: its number, and 14 random bytes (TRUST 4.1).
public struct LogID: Hashable, Sendable {
    public static let byteCount = 16
    public let bytes: [UInt8]

    /// `nil`: these are not 16 bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// The position of the log among those of its folder.
    public var number: Int { Int(bytes[0]) << 8 | Int(bytes[1]) }
    public var hex: String { bytes.hex }
    public var folderName: String { "log-\(decimal(UInt64(number), digits: 4))-\(hex)" }

    /// Whether `name` is that of a log's folder, of whichever log.
    public static func isFolderName(_ name: String) -> Bool {
        let name = Array(name.utf8)
        return name.count == 41 && name.starts(with: "log-".utf8) && name[4..<8].allSatisfy(isDigit) && name[8] == 0x2d
            && name[9...].allSatisfy(isHexadecimal)
    }

    /// Of a folder's name that is one.
    static func number(ofFolder name: String) -> Int { Int(name.dropFirst(4).prefix(4)) ?? 0 }
}

/// What a log is called in its checkpoints: `<deployment>/<id, 32 hexadecimal digits>`.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// `nil`: it breaks the rules for a deployment, or its end is no id.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count > LogID.byteCount * 2 + 1, bytes[bytes.count - 33] == 0x2f,
            bytes.suffix(32).allSatisfy(isHexadecimal), Self.isDeployment(bytes.dropLast(33))
        else { return nil }
        self.text = text
    }

    public init?(deployment: String, _ id: LogID) { self.init("\(deployment)/\(id.hex)") }

    /// The last 32 digits.
    public var idHex: String { String(text.suffix(32)) }
    public var number: Int { Int(idHex.prefix(4), radix: 16) ?? 0 }
    public var description: String { text }

    /// `[a-z0-9][a-z0-9.-]{0,62}(/[a-z0-9][a-z0-9._-]{0,62}){0,2}`
    static func isDeployment(_ bytes: some Collection<UInt8>) -> Bool {
        let parts = bytes.split(separator: 0x2f, omittingEmptySubsequences: false)
        guard (1...3).contains(parts.count) else { return false }
        return parts.enumerated().allSatisfy { number, part in
            guard let first = part.first, isLowerOrDigit(first), part.count <= 63 else { return false }
            return part.allSatisfy { isLowerOrDigit($0) || $0 == 0x2e || $0 == 0x2d || ($0 == 0x5f && number > 0) }
        }
    }
}

/// The name of a key: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
func isKeyID(_ bytes: some Collection<UInt8>) -> Bool {
    guard let first = bytes.first, isLetterOrDigit(first), bytes.count <= 64 else { return false }
    return bytes.allSatisfy { isLetterOrDigit($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d }
}

func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
func isLowerOrDigit(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x7a).contains(byte) }
func isLetterOrDigit(_ byte: UInt8) -> Bool { isLowerOrDigit(byte) || (0x41...0x5a).contains(byte) }
func isHexadecimal(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x66).contains(byte) }

/// With zeros in front, as names of files have it.
func decimal(_ number: UInt64, digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// A decimal of at most 19 digits without a zero in front: below 2^63, as sizes and indexes are written.
func parseDecimal(_ text: some StringProtocol) -> UInt64? {
    let bytes = text.utf8
    guard (1...19).contains(bytes.count), bytes.allSatisfy(isDigit), bytes.first != 0x30 || bytes.count == 1 else {
        return nil
    }
    return UInt64(text)
}
