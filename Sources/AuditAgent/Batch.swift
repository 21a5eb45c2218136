// Enters: records in the making, and which of which ring they are. Leaves: their plaintexts, for the log's writer.
internal import Audit
internal import Cryptography
internal import Memory

/// Records that are written together. It is kept until they are durable, and used again then.
final class Batch {
    static let recordsMax = 4096
    static let bytesMax = 4 << 20

    /// A record without its place in the log. Ranges are of `bytes`.
    enum Entry {
        /// `key`: the index of the payload's among `keys`.
        case call(envelope: Range<Int>, payload: Range<Int>, key: Int)
        case whole(Range<Int>, isUrgent: Bool)
    }

    /// Records of one ring that follow each other, in the ring and in the batch.
    struct Run {
        let ring: RingState
        var count: UInt32
        var lastSequence: UInt64
        /// Its last record's index among `entries`.
        var lastEntry: Int
    }

    var bytes: [UInt8] = []
    var keys: [PayloadKey] = []
    private(set) var entries: [Entry] = []
    private(set) var runs: [Run] = []
    /// Those that were read for it.
    private(set) var rings: [RingState] = []
    /// Servers of which it says that they were lost.
    var lostServers: [ServerLife] = []
    /// Its first records are those of a life's beginning.
    var beginsWithClock = false

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    var isFull: Bool { entries.count >= Self.recordsMax || bytes.count >= Self.bytesMax }

    func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
        for ring in rings { ring.isInBatch = false }
        rings.removeAll(keepingCapacity: true)
        lostServers.removeAll()
        beginsWithClock = false
    }

    func append(_ entry: Entry) { entries.append(entry) }

    func append(_ plaintext: [UInt8], isUrgent: Bool) {
        let start = bytes.count
        bytes += plaintext
        entries.append(.whole(start..<bytes.count, isUrgent: isUrgent))
    }

    /// The ring's place is stored when the batch is durable.
    func touch(_ ring: RingState) {
        guard !ring.isInBatch else { return }
        ring.isInBatch = true
        rings.append(ring)
    }

    /// The last entry is that of the ring's record `sequence`.
    func note(_ ring: RingState, sequence: UInt64) {
        touch(ring)
        let entry = entries.count - 1
        if let last = runs.indices.last, runs[last].ring === ring, runs[last].lastEntry == entry - 1,
            runs[last].lastSequence &+ 1 == sequence
        {
            runs[last].count += 1
            runs[last].lastSequence = sequence
            runs[last].lastEntry = entry
        } else {
            runs.append(Run(ring: ring, count: 1, lastSequence: sequence, lastEntry: entry))
        }
    }

    /// A checkpoint follows it at once.
    var isUrgent: Bool {
        entries.contains { entry in
            if case .whole(_, isUrgent: true) = entry { true } else { false }
        }
    }

    /// Adds the plaintext of an entry that will stand at `place`.
    func write(_ entry: Int, _ ciphers: PayloadCiphers, at place: Audit.RecordPlace, to record: inout [UInt8]) {
        let bytes = bytes
        switch entries[entry] {
        case .whole(let range, _): record += bytes[range]
        case .call(let envelope, let payload, let key):
            let dataBytes = payload.count + AES256GCM.tagBytes
            let name = keys[key].name
            let sealedBytes = 2 + name.count + 1 + varintBytes(UInt64(dataBytes)) + dataBytes
            record += bytes[envelope]
            record.head(30, bytes: sealedBytes)
            record.head(1, bytes: name.count)
            record += name
            record.head(2, bytes: dataBytes)
            ciphers.cipher(of: keys[key], at: place)
                .seal(bytes.raw.extracting(payload), index: place.index, into: &record)
        }
    }
}

/// The ciphers of payload keys in the segment that is written.
final class PayloadCiphers {
    private static let countMax = 1024
    private var ciphers: [UInt64: PayloadCipher] = [:]
    private var last: (name: [UInt8], cipher: PayloadCipher)?
    private var salt: [UInt8] = []

    func cipher(of key: PayloadKey, at place: Audit.RecordPlace) -> PayloadCipher {
        if place.salt != salt {
            forget()
            salt = place.salt
        }
        if let last, last.name == key.name { return last.cipher }
        let name = key.name.reduce(0) { $0 << 8 | UInt64($1) }
        let cipher: PayloadCipher
        if let known = ciphers[name] {
            cipher = known
        } else {
            if ciphers.count >= Self.countMax { ciphers.removeAll(keepingCapacity: true) }
            cipher = PayloadCipher(key: key.key, logID: place.logID, salt: place.salt)
            ciphers[name] = cipher
        }
        last = (key.name, cipher)
        return cipher
    }

    /// A key that is erased must not stay here in another shape.
    func forget() {
        ciphers.removeAll(keepingCapacity: true)
        last = nil
    }
}
