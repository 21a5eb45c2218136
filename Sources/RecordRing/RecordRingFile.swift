// Enters: the path of a ring file, which another process writes. Leaves: whether that process lives, and copies of its words.
internal import Glibc
internal import Memory
internal import Synchronization

/// A ring's two lines, as of one moment. `durable` is `nil` where its check is wrong.
struct RingLines {
    let head: UInt64
    let tail: UInt64
    let durable: RecordPlace?
}

/// A ring file from the agent's side. One thread uses it and its readers. It is read and not mapped: a file that is cut short
/// makes a read short, and a copy does not change while it is checked.
public final class RecordRingFile {
    public let path: String
    public let instance: RecordInstance
    public let rings: Int
    public let mode: RecordRingMode
    /// How long records may wait, but for those of the last ring.
    public let patienceNanoseconds: UInt64
    let wordsPerRing: Int
    private let descriptor: CInt
    private let number: (device: dev_t, inode: ino_t)
    private let page = RecordBuffer(words: RingLayout.pageWords)

    public init(_ path: String) throws(RecordRingError) {
        let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
        do throws(RecordRingError) {
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw .foreign(path: path)
            }
            guard page.fill(0..<RingLayout.pageWords, from: descriptor, at: 0) == 0,
                let header = RingHeader(page.word, fileName: path.split(separator: "/").last.map(String.init) ?? "")
            else { throw .foreign(path: path) }
            guard header.words <= Int(status.st_size) / 8 else {
                throw .short(path: path, bytes: Int(status.st_size))
            }
            (instance, rings, mode, wordsPerRing) = (header.instance, header.rings, header.mode, header.wordsPerRing)
            patienceNanoseconds = header.patienceNanoseconds
            number = (status.st_dev, status.st_ino)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The server holds its write lock, which ends with its process (Memory/SharedFile.swift).
    public var isWritten: Bool {
        var lock = flock()
        lock.l_type = Int16(F_RDLCK)
        guard unsafe withUnsafeMutablePointer(to: &lock, { unsafe fcntl(descriptor, Self.getLock, $0) }) == 0
        else { return false }
        return lock.l_type != Int16(F_UNLCK)
    }

    /// F_OFD_GETLK of fcntl.h, which only _GNU_SOURCE declares.
    private static let getLock: CInt = 36

    /// Unlinks the file if its server is dead and all records of all rings are durable.
    /// - Returns: whether it did.
    public func removeIfFinished() throws(RecordRingError) -> Bool {
        guard !isWritten else { return false }
        for ring in 0..<rings {
            let lines = try lines(of: ring)
            guard let durable = lines.durable, durable.position == lines.head else { return false }
        }
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_dev == number.device, status.st_ino == number.inode else {
            return false
        }
        guard unsafe unlink(path) == 0 else { throw .system(path: path, operation: "unlink", code: errno) }
        return true
    }

    func lines(of ring: Int) throws(RecordRingError) -> RingLines {
        let first = RingLayout.lines(of: ring)
        let start = first / RingLayout.pageWords * RingLayout.pageWords
        try check(page.fill(0..<RingLayout.pageWords, from: descriptor, at: start), "pread")
        // The records that this head covers are read after it.
        atomicMemoryFence(ordering: .acquiring)
        let line = first - start
        let position = page.word(line + RingLayout.durable)
        let sequence = page.word(line + RingLayout.durableSequence)
        let isWhole =
            page.word(line + RingLayout.durableCheck) == RingLayout.check(position: position, sequence: sequence)
        return RingLines(
            head: page.word(line + RingLayout.head), tail: page.word(line + RingLayout.tail),
            durable: isWhole ? RecordPlace(position: position, sequence: sequence) : nil)
    }

    /// Stores what is durable: the server writes over it from then on.
    func store(_ durable: RecordPlace, ring: Int) throws(RecordRingError) {
        page.store(0, durable.position)
        page.store(1, durable.sequence)
        page.store(2, RingLayout.check(position: durable.position, sequence: durable.sequence))
        // What was read before is read; what comes into those words later is not seen.
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        let code = page.write(0..<3, to: descriptor, at: RingLayout.lines(of: ring) + RingLayout.durable)
        guard code == 0 else { throw .system(path: path, operation: "pwrite", code: code) }
    }

    /// Copies `count` words of the ring from `position` on into the front of `buffer`.
    func copy(ring: Int, from position: UInt64, words count: Int, into buffer: RecordBuffer) throws(RecordRingError) {
        let start = RingLayout.dataStart(rings: rings) + ring * wordsPerRing
        let place = Int(position % UInt64(wordsPerRing))
        let first = min(count, wordsPerRing - place)
        try check(buffer.fill(0..<first, from: descriptor, at: start + place), "pread")
        try check(buffer.fill(first..<count, from: descriptor, at: start), "pread")
        // A tail that is read after this is no older than the words.
        atomicMemoryFence(ordering: .acquiring)
    }

    private func check(_ code: CInt?, _ operation: String) throws(RecordRingError) {
        guard let code else {
            var status = stat()
            let bytes = unsafe fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
            throw .short(path: path, bytes: bytes)
        }
        guard code == 0 else { throw .system(path: path, operation: operation, code: code) }
    }
}

/// The file's first words, checked: what follows from them fits into an Int.
struct RingHeader {
    let instance: RecordInstance
    let rings: Int
    let wordsPerRing: Int
    let mode: RecordRingMode
    let patienceNanoseconds: UInt64

    /// `nil`: no server of this layout wrote them, or it wrote another file.
    init?(_ word: (Int) -> UInt64, fileName: String) {
        let rings = word(RingLayout.ringsWord)
        let words = word(RingLayout.wordsWord)
        instance = RecordInstance(high: word(RingLayout.instanceWord), low: word(RingLayout.instanceWord + 1))
        guard word(RingLayout.magicWord) == RingLayout.magic, word(RingLayout.layoutWord) == RingLayout.layout,
            1...UInt64(RingLayout.ringsMax) ~= rings,
            UInt64(RecordLayout.headerWords)...UInt64(RingLayout.ringWordsMax) ~= words,
            let mode = RecordRingMode(rawValue: word(RingLayout.modeWord)), instance.fileName == fileName
        else { return nil }
        (self.rings, wordsPerRing, self.mode) = (Int(rings), Int(words), mode)
        patienceNanoseconds = min(word(RingLayout.patienceWord), RingLayout.patienceNanosecondsMax)
    }

    /// Of the whole file.
    var words: Int { RingLayout.dataStart(rings: rings) + rings * wordsPerRing }
}
