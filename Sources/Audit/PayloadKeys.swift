// Enters: the file of payload keys. Leaves: the keys in it, each under a name that says nothing of whose it is; and the file anew.
public import Cryptography
internal import Memory

/// One key of payloads: of one subject in one month (TRUST 4.1, "Payload keys").
public struct PayloadKey: Sendable {
    /// 8 random bytes, which records name.
    public let name: [UInt8]
    /// 16 bytes: a pseudonym, or zeros where calls have no subject.
    public let subject: [UInt8]
    /// As yyyymm.
    public let month: UInt32
    /// The subject may not be erased.
    public var isHeld: Bool
    public let key: Secret

    public init(name: [UInt8], subject: [UInt8], month: UInt32, isHeld: Bool, key: Secret) {
        precondition(name.count == 8 && subject.count == 16 && key.count == 32)
        (self.name, self.subject, self.month, self.isHeld, self.key) = (name, subject, month, isHeld, key)
    }
}

/// Why a file of payload keys is refused.
public enum PayloadKeyFileError: Error, Equatable, Sendable {
    case header
    /// No key of the ring has this name.
    case unknownKey(String)
    case commitment
    case flags(UInt32, entry: Int)
    case repeated(entry: Int)

    public var sentence: String {
        switch self {
        case .header: "it does not begin with the header of a file of payload keys"
        case .unknownKey(let kid): "its key \(kid) is not in the subject-store ring"
        case .commitment: "it was not made with the subject-store key that it names"
        case .flags(let flags, let entry): "entry \(entry) has flags \(flags), must be 0 or 1"
        case .repeated(let entry): "entry \(entry) has a name, or a subject's month, that was there before"
        }
    }
}

/// The file of payload keys: outside the log and its backups, so that what is erased from it is gone.
public final class PayloadKeyFile {
    private static let magic = Array("AUDKEYS1".utf8)
    private static let label = "audkeys-v1"
    private static let entryBytes = 80
    private static let plainBytes = 32
    private static let saltOffset = 16
    private static let held: UInt32 = 1

    public private(set) var keys: [PayloadKey] = []
    /// Entries with a bad tag in front of a good one: they were hit, and are lost.
    public private(set) var lostEntries: [Int] = []
    /// The header, of a file that is written.
    public let header: [UInt8]
    private var cipher: CommittedKey
    /// The next entry's number.
    private var count = 0

    /// A new file.
    /// - Parameter salt: 32 random bytes, never used before.
    public init(kid: String, storeKey: Secret, salt: [UInt8]) {
        precondition(salt.count == 32 && isKeyID(kid.utf8))
        var header = Self.magic
        header.append(bigEndian: UInt32(Self.saltOffset + 32 + 1 + kid.utf8.count + 32))
        header.append(bigEndian: UInt32(0))
        header += salt
        header.append(lengthPrefixed: kid)
        cipher = CommittedKey(storeKey, label: Self.label, committed: header)
        self.header = header + cipher.commitment
    }

    /// Reads a file. What is no whole entry at the end is dropped, and each entry with a bad tag.
    public init(_ file: [UInt8], storeKeys: [String: Secret]) throws(PayloadKeyFileError) {
        guard let (committed, kid) = Self.header(file) else { throw .header }
        guard let key = storeKeys[kid] else { throw .unknownKey(kid) }
        let cipher = CommittedKey(key, label: Self.label, committed: Array(file[..<committed]))
        guard Array(file[committed..<committed + 32]) == cipher.commitment else { throw .commitment }
        self.cipher = cipher
        header = Array(file[..<(committed + 32)])
        try read(file[(committed + 32)...])
    }

    /// Adds a key. - Returns: its entry, to be appended to the file.
    public func append(_ key: PayloadKey) -> [UInt8] {
        var entry = key.name + key.subject
        entry.append(bigEndian: key.month)
        entry.append(bigEndian: key.isHeld ? Self.held : 0)
        let plain = entry
        key.key.withBytes { bytes in
            cipher.seal(bytes, number: UInt64(count), authenticating: plain.raw, into: &entry)
        }
        count += 1
        keys.append(key)
        return entry
    }

    /// Where the header's commitment begins, and the name of the key.
    private static func header(_ file: [UInt8]) -> (Int, String)? {
        let kidOffset = saltOffset + 32
        guard file.count > kidOffset, file.starts(with: magic), file[12..<16].allSatisfy({ $0 == 0 }) else {
            return nil
        }
        let end = kidOffset + 1 + Int(file[kidOffset])
        let length = file[8..<12].reduce(0) { $0 << 8 | Int($1) }
        guard length == end + 32, file.count >= length, isKeyID(file[(kidOffset + 1)..<end]),
            let kid = String(validating: file[(kidOffset + 1)..<end], as: UTF8.self)
        else { return nil }
        return (end, kid)
    }

    private func read(_ entries: ArraySlice<UInt8>) throws(PayloadKeyFileError) {
        var bad: [Int] = []
        var (names, months): (Set<[UInt8]>, Set<[UInt8]>) = ([], [])
        for number in 0..<(entries.count / Self.entryBytes) {
            count = number + 1
            let start = entries.startIndex + number * Self.entryBytes
            let plain = Array(entries[start..<start + Self.plainBytes])
            let sealed = Array(entries[start + Self.plainBytes..<start + Self.entryBytes])
            var key: [UInt8] = []
            guard
                cipher.open(
                    sealed.raw, number: UInt64(number), authenticating: plain.raw, into: &key)
            else {
                bad.append(number)
                continue
            }
            let flags = plain[28..<32].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard flags <= Self.held else { throw .flags(flags, entry: number) }
            guard names.insert(Array(plain[..<8])).inserted, months.insert(Array(plain[8..<28])).inserted else {
                throw .repeated(entry: number)
            }
            keys.append(
                PayloadKey(
                    name: Array(plain[..<8]), subject: Array(plain[8..<24]),
                    month: plain[24..<28].reduce(0) { $0 << 8 | UInt32($1) }, isHeld: flags == Self.held,
                    key: Secret(moving: &key)))
            lostEntries += bad
            bad = []
        }
    }
}
