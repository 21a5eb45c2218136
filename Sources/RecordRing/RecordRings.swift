// Enters: a folder on a memory volume, and how many rings of which size. Leaves: the file of a server's life, and its writers.
internal import Glibc
internal import Memory

/// What names a server's life: 16 random bytes, read as two big-endian numbers.
public struct RecordInstance: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes: what a record's source and the name of the file say.
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `ring-<first 8 bytes, hex>.ring`
    public var fileName: String {
        Self.prefix + (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * UInt64($0))) }.hex + Self.suffix
    }

    /// Its 16 bytes.
    public var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
    }

    static let prefix = "ring-"
    static let suffix = ".ring"
}

/// The rings of one server life: a file of words that an agent reads. It is made once and never replaced; the agent unlinks
/// it when the server is dead and all records are durable.
public final class RecordRings: Sendable {
    public let instance: RecordInstance
    public let rings: Int
    let file: SharedFile
    private let mode: RecordRingMode
    private let wordsPerRing: Int

    /// Makes the file, 0600, with all its memory.
    ///
    /// - Parameters:
    ///   - isForGroup: 0660 instead, for an agent that runs as another user of the folder's group.
    ///   - rings: one for each thread that writes, 1 to 1024.
    ///   - bytesPerRing: at least `RecordLayout.recordBytesMax`; rounded down to whole cache lines.
    ///   - patienceNanoseconds: how long an agent may let records wait, but for those of the last ring.
    public convenience init(
        folder: String, instance: RecordInstance, rings: Int, bytesPerRing: Int, mode: RecordRingMode,
        patienceNanoseconds: UInt64 = 0, isForGroup: Bool = false
    ) throws(RecordRingError) {
        let words = bytesPerRing / 64 * 8
        guard words >= RecordLayout.recordWordsMax, words <= RingLayout.ringWordsMax else {
            throw .size(bytes: bytesPerRing)
        }
        guard 1...RingLayout.ringsMax ~= rings else { throw .rings(rings) }
        try self.init(
            folder: folder, instance: instance, rings: rings, wordsPerRing: words, mode: mode,
            patienceNanoseconds: patienceNanoseconds, isForGroup: isForGroup)
    }

    /// Of any size: for tests.
    init(
        folder: String, instance: RecordInstance, rings: Int, wordsPerRing: Int, mode: RecordRingMode,
        patienceNanoseconds: UInt64 = 0, isForGroup: Bool = false
    ) throws(RecordRingError) {
        self.instance = instance
        self.rings = rings
        self.mode = mode
        self.wordsPerRing = wordsPerRing
        let path = "\(folder)/\(instance.fileName)"
        try Self.make(path + ".new", isForGroup: isForGroup)
        let start = RingLayout.dataStart(rings: rings)
        do throws(SharedFileError) {
            file = try SharedFile(path, words: start + rings * wordsPerRing) { _ in false }
        } catch {
            unsafe unlink(path + ".new")
            throw .file(error)
        }
        let words = file.words
        // Each page is in this process's tables before the first call needs it.
        for word in stride(from: 0, to: words.count, by: RingLayout.pageWords) { words.store(word, 0) }
        words.store(RingLayout.layoutWord, RingLayout.layout)
        words.store(RingLayout.ringsWord, UInt64(rings))
        words.store(RingLayout.wordsWord, UInt64(wordsPerRing))
        words.store(RingLayout.instanceWord, instance.high)
        words.store(RingLayout.instanceWord + 1, instance.low)
        words.store(RingLayout.modeWord, mode.rawValue)
        words.store(RingLayout.patienceWord, patienceNanoseconds)
        for ring in 0..<rings {
            let lines = RingLayout.lines(of: ring)
            words.store(lines + RingLayout.durableCheck, RingLayout.check(position: 0, sequence: 0))
        }
        words.publish(RingLayout.magicWord, RingLayout.magic)
        do throws(SharedFileError) { try file.publish() } catch { throw .file(error) }
    }

    /// `SharedFile` takes a file that is there: no other user can open this one, from its first moment on.
    private static func make(_ path: String, isForGroup: Bool) throws(RecordRingError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
        defer { close(descriptor) }
        // Whatever the umask says.
        guard !isForGroup || fchmod(descriptor, 0o660) == 0 else {
            throw .system(path: path, operation: "fchmod", code: errno)
        }
    }

    /// Takes the file away: of a server that never served.
    public func remove() { unsafe unlink(file.path) }

    /// The writer of a ring, from 0. Asked for once for each ring; not used after `self` is gone.
    public func writer(_ ring: Int) -> RecordRingWriter {
        precondition(0..<rings ~= ring, "ring \(ring) of \(rings)")
        let lines = RingLayout.lines(of: ring)
        let start = RingLayout.dataStart(rings: rings) + ring * wordsPerRing
        return RecordRingWriter(
            lines: file.words[lines..<lines + RingLayout.linesWords],
            data: file.words[start..<start + wordsPerRing], ring: ring, mode: mode)
    }
}
