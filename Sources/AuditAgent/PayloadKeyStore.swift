// Enters: subjects and months, the store's key, and a folder. Leaves: the keys of payloads, in a file that is durable before a record
// names one of them.
public import Audit
internal import Cryptography
internal import Memory

/// The file of payload keys, as the agent uses it (TRUST 4.1, "Payload keys"): read once, then appended to, or written anew.
///
/// A file of which a write or a sync failed is never appended to again: the next one takes its place, under a new salt.
public final class PayloadKeyStore<Volume: AuditVolume>: PayloadKeySource {
    private let volume: Volume
    private let name: String
    private let random: (Int) -> [UInt8]
    private var storeKeys: PayloadStoreKeys
    /// As it was written last; its keys are all that there are.
    private var file: PayloadKeyFile
    /// Where a key stands in `file.keys`.
    private var places: [Place: Int] = [:]
    /// A reader refuses a file with a name that comes twice.
    private var names: Set<UInt64> = []
    private var held: Set<Subject> = []
    /// Of all keys, as yyyymm.
    private var oldestMonth = UInt32.max
    /// Entries that are to be appended.
    private var unwritten: [UInt8] = []
    /// The file at the end of which entries are appended is not this one, or may end in anything.
    private var isStale = true

    /// Numbers of entries that were hit and are lost, of the file that was read: matter for an alarm.
    public let lostEntries: [Int]
    /// There was no file.
    public let isNew: Bool
    /// Changes with each hold and each lifted one.
    public private(set) var holdGeneration: UInt64 = 0

    /// Reads the file, and writes it anew under a new salt. A temporary file that a crash left is removed.
    /// - Parameters:
    ///   - volume: the folder that the file lies in.
    ///   - random: so many random bytes.
    public init(
        _ volume: Volume, name: String, keys: PayloadStoreKeys, random: @escaping (Int) -> [UInt8]
    ) throws(PayloadKeyStoreError) {
        (self.volume, self.name, storeKeys, self.random) = (volume, name, keys, random)
        file = PayloadKeyFile(kid: keys.kid, storeKey: keys.active, salt: random(32))
        storeKeyID = keys.kid
        do throws(VolumeError) {
            guard try volume.names().contains(name) else {
                (lostEntries, isNew) = ([], true)
                try rewrite([])
                return
            }
            let bytes = try volume.read(name)
            defer { withExtendedLifetime(bytes) {} }
            let read: PayloadKeyFile
            do throws(PayloadKeyFileError) {
                read = try PayloadKeyFile(bytes.view.array, storeKeys: keys.all)
            } catch {
                throw VolumeError(sentence: "\(name): \(error.sentence)")
            }
            (lostEntries, isNew) = (read.lostEntries, false)
            try rewrite(read.keys)
        } catch {
            throw PayloadKeyStoreError(sentence: error.sentence)
        }
    }

    /// What an alarm says of the entries that were hit; `nil`: none was.
    public var loss: String? {
        guard let first = lostEntries.first else { return nil }
        return
            "\(lostEntries.count) entries of \(name) were damaged, the first is entry \(first): payloads under their keys "
            + "are lost"
    }

    public var count: Int { file.keys.count }
    /// The store key that the file was written under.
    public private(set) var storeKeyID: String
    public var storeKeyEnds: String? { storeKeys.ends }

    // MARK: Keys of calls

    public func key(subject: [UInt8], month: UInt32) -> PayloadKey {
        let place = Place(subject: Subject(subject), month: month)
        if let index = places[place] { return file.keys[index] }
        return make(place, subject)
    }

    private func make(_ place: Place, _ subject: [UInt8]) -> PayloadKey {
        var name = random(8)
        while names.contains(Self.word(name)) { name = random(8) }
        var bytes = random(32)
        let key = PayloadKey(
            name: name, subject: subject, month: place.month, isHeld: held.contains(place.subject),
            key: Secret(moving: &bytes))
        unwritten += file.append(key)
        enter(key, at: file.keys.count - 1)
        return key
    }

    public func flush() throws(VolumeError) {
        guard !unwritten.isEmpty else { return }
        guard !isStale else { return try rewrite(file.keys) }
        do throws(VolumeError) {
            try volume.write(unwritten)
            try volume.sync()
            unwritten = []
        } catch {
            isStale = true
            try rewrite(file.keys)
        }
    }

    // MARK: The file anew

    /// The store key changed: the file is written anew under the new one. Errors: the file that comes next is.
    public func change(_ keys: PayloadStoreKeys) throws(VolumeError) {
        storeKeys = keys
        try rewrite(file.keys)
    }

    /// Whether an entry of one of `subjects` may not be erased.
    public func isHeld(_ subjects: [[UInt8]]) -> Bool { subjects.contains { held.contains(Subject($0)) } }

    /// Names of the keys of subjects that are held.
    public var heldNames: Set<[UInt8]> {
        held.isEmpty ? [] : Set(file.keys.lazy.filter { self.isHeld($0) }.map(\.name))
    }

    /// Writes the file without the entries of `subjects`, none of which is held. - Returns: how many went.
    public func erase(_ subjects: [[UInt8]]) throws(VolumeError) -> Int {
        let gone = Set(subjects.map(Subject.init))
        precondition(gone.isDisjoint(with: held), "a subject that is held is erased")
        return try keep { !gone.contains(Subject($0.subject)) }
    }

    /// Writes the file without the entries of months before `month` (yyyymm), but for those of subjects that are held.
    /// - Returns: how many went.
    public func removeMonths(before month: UInt32) throws(VolumeError) -> Int {
        guard hasMonths(before: month) else { return 0 }
        return try keep { $0.month >= month || isHeld($0) }
    }

    /// Whether `removeMonths` would remove entries.
    public func hasMonths(before month: UInt32) -> Bool {
        oldestMonth < month && file.keys.contains { $0.month < month && !isHeld($0) }
    }

    private func isHeld(_ key: PayloadKey) -> Bool { held.contains(Subject(key.subject)) }

    private func keep(_ isKept: (PayloadKey) -> Bool) throws(VolumeError) -> Int {
        let before = file.keys
        let kept = before.filter(isKept)
        try rewrite(kept)
        return before.count - kept.count
    }

    /// Holds or lets go each of `subjects`. One that has no key yet gets that of `month`: an entry is where a hold is remembered.
    /// - Returns: how many entries the subjects have.
    public func setHeld(_ isHeld: Bool, _ subjects: [[UInt8]], month: UInt32) throws(VolumeError) -> Int {
        let wanted = Set(subjects.map(Subject.init))
        var missing = isHeld ? wanted : []
        var keys = file.keys
        var count = 0
        for index in keys.indices where wanted.contains(Subject(keys[index].subject)) {
            keys[index].isHeld = isHeld
            missing.remove(Subject(keys[index].subject))
            count += 1
        }
        for subject in subjects where missing.remove(Subject(subject)) != nil {
            var bytes = random(32)
            keys.append(
                PayloadKey(name: random(8), subject: subject, month: month, isHeld: true, key: Secret(moving: &bytes)))
            count += 1
        }
        try rewrite(keys)
        return count
    }

    /// Writes `keys` into a new file under a new salt, which takes the place of the old one. Where that fails before the file is in
    /// its place, the keys are those of before; where only its durability is not known, those of the new file.
    private func rewrite(_ keys: [PayloadKey]) throws(VolumeError) {
        let next = PayloadKeyFile(kid: storeKeys.kid, storeKey: storeKeys.active, salt: random(32))
        var bytes = next.header
        bytes.reserveCapacity(bytes.count + 80 * keys.count)
        for key in keys { bytes += next.append(key) }
        let temporary = name + ".new"
        isStale = true
        if try volume.names().contains(temporary) { try volume.remove(temporary) }
        try volume.create(temporary)
        try volume.write(bytes)
        try volume.sync()
        try volume.rename(temporary, to: name)
        adopt(next)
        try volume.syncNames()
        (isStale, unwritten) = (false, [])
    }

    private func adopt(_ next: PayloadKeyFile) {
        let before = heldNames
        (file, storeKeyID) = (next, storeKeys.kid)
        places = Dictionary(minimumCapacity: next.keys.count)
        names = Set(minimumCapacity: next.keys.count)
        (held, oldestMonth) = ([], .max)
        for (index, key) in next.keys.enumerated() { enter(key, at: index) }
        if heldNames != before { holdGeneration += 1 }
    }

    private func enter(_ key: PayloadKey, at index: Int) {
        let subject = Subject(key.subject)
        places[Place(subject: subject, month: key.month)] = index
        names.insert(Self.word(key.name))
        if key.isHeld { held.insert(subject) }
        oldestMonth = min(oldestMonth, key.month)
    }

    private static func word(_ name: [UInt8]) -> UInt64 { ByteView.lending(name) { $0.bigEndian(at: 0) } }
}

private struct Subject: Hashable {
    let high: UInt64
    let low: UInt64

    init(_ bytes: [UInt8]) {
        precondition(bytes.count == 16, "a subject of \(bytes.count) bytes")
        (high, low) = ByteView.lending(bytes) { ($0.bigEndian(at: 0), $0.bigEndian(at: 8)) }
    }
}

private struct Place: Hashable {
    let subject: Subject
    let month: UInt32
}
