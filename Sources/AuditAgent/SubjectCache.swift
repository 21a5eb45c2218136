// Enters: ids of subjects, as servers name them. Leaves: pseudonyms, and the payload key of each.
internal import Audit
internal import Cryptography
internal import Keyrings
internal import Memory

/// Subjects that were seen last, at places that follow from their ids. Another id at the same place costs time and no more.
struct SubjectCache {
    private struct Entry {
        var id: [UInt8] = []
        var pseudonym: [UInt8] = []
        var month: UInt32 = 0
        /// Keys are looked up again for each batch: between two of them a key can be erased.
        var batch: UInt64 = 0
        /// The index of the key among the batch's.
        var key = 0
    }

    private static let count = 1024
    private static let label = Array("audsub-v1".utf8) + [0]
    static let none = [UInt8](repeating: 0, count: 16)

    private var entries: [Entry]
    private var index: HMACSHA256

    init(indexKey: Secret) {
        entries = Array(repeating: Entry(), count: Self.count)
        index = HMACSHA256(key: indexKey)
    }

    /// HMAC-SHA-256(index key, "audsub-v1" 00 || id)[0..16]; zeros where there is no id (TRUST 4.1, "Payload keys").
    func pseudonym(_ id: ByteView) -> [UInt8] {
        guard !id.isEmpty else { return Self.none }
        var message = Self.label
        message.append(id)
        let code = index.code(of: message.raw)
        return (0..<16).map { code[$0] }
    }

    /// The index, among the keys of `batch`, of the key of the subject `id` in `month`.
    mutating func key(
        _ id: ByteView, month: UInt32, _ batch: Batch, number: UInt64, from source: inout some PayloadKeySource
    ) -> Int {
        let place = id.isEmpty ? 0 : 1 + Int(id.fnv1a % UInt64(Self.count - 1))
        if entries[place].pseudonym.isEmpty || !holds(place, id) {
            entries[place] = Entry(id: id.array, pseudonym: pseudonym(id))
        } else if entries[place].batch == number && entries[place].month == month {
            return entries[place].key
        }
        batch.keys.append(source.key(subject: entries[place].pseudonym, month: month))
        entries[place].month = month
        entries[place].batch = number
        entries[place].key = batch.keys.count - 1
        return batch.keys.count - 1
    }

    private func holds(_ place: Int, _ id: ByteView) -> Bool {
        entries[place].id.count == id.count && ByteView.lending(entries[place].id) { $0 == id }
    }
}

/// The month of a call's payload key, as yyyymm in UTC.
struct PayloadMonth {
    private static let dayNanoseconds: UInt64 = 86_400 * 1_000_000_000
    private static let daysBackMax: UInt64 = 62
    private var day: UInt64 = .max
    private var month: UInt32 = 0

    /// - Parameter time: the call's. One that lies further from `now` than a ring is kept is not believed: each month makes keys.
    mutating func of(_ time: UInt64, now: UInt64) -> UInt32 {
        let today = now / Self.dayNanoseconds
        var day = time / Self.dayNanoseconds
        if day > today + 1 || day + Self.daysBackMax < today { day = today }
        guard day != self.day else { return month }
        self.day = day
        let date = UTCTime(seconds: Int64(day) * 86_400).description
        month = UInt32(date.prefix(4) + date.dropFirst(5).prefix(2)) ?? 0
        return month
    }
}
