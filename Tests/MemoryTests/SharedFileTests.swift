// Enters: processes that want a file for themselves, and some that read it. Leaves: who has it, and what the others see.
import Foundation
import Memory
import Synchronization
import Testing

/// A folder for a file.
private final class Place {
    let folder = NSTemporaryDirectory() + "vencejo-shared-\(UUID().uuidString)"
    var path: String { folder + "/page" }

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? [] }

    func made(_ words: [UInt64]) throws -> SharedFile {
        let file = try SharedFile(path, words: words.count)
        for (index, word) in words.enumerated() { file.words.store(index, word) }
        return file
    }

    /// What somebody reads who comes now; `nil`: nothing.
    var found: [UInt64]? {
        guard let reader = try? SharedFileReader(path) else { return nil }
        return reader.all
    }
}

extension SharedFileReader {
    fileprivate var all: [UInt64]? {
        var words = [UInt64](repeating: 7, count: count)
        return read(from: 0, into: &words, words.indices) ? words : nil
    }
}

private func problem(_ body: () throws -> Void) -> SharedFileError? {
    do {
        try body()
        return nil
    } catch { return error as? SharedFileError }
}

@Suite struct SharedFileTests {
    private let place: Place
    init() throws { place = try Place() }

    @Test func onlyOneWritesIt() throws {
        do {
            let first = try place.made([1])
            #expect(problem { _ = try place.made([2]) } == .taken(path: place.path), "before it is found")
            try first.publish()
            #expect(problem { _ = try place.made([2]) } == .taken(path: place.path))
            #expect(place.found == [1] && place.names == ["page"])
            #expect(try SharedFileReader(place.path).isWritten)
            withExtendedLifetime(first) {}
        }
        #expect(try !SharedFileReader(place.path).isWritten)
        let next = try place.made([2])
        try next.publish()
        #expect(place.found == [2] && place.names == ["page"])
        withExtendedLifetime(next) {}
    }

    @Test func whatIsFoundIsWhole() throws {
        let first = try place.made([1, 2, 3])
        #expect(place.found == nil && place.names == ["page.new"])
        try first.publish()
        let early = try SharedFileReader(place.path)
        #expect(early.all == [1, 2, 3] && early.isCurrent && early.isWritten && early.count == 3)
        first.words.store(1, 9)
        #expect(early.all == [1, 9, 3])
    }

    /// Whoever may read the file can put a read lock on it. That is no sign of a writer's life.
    @Test func aReadersLockIsNoWriter() throws {
        do { try place.made([1]).publish() }
        let reader = unsafe open(place.path, O_RDONLY)
        defer { close(reader) }
        var lock = flock()
        lock.l_type = Int16(F_RDLCK)
        // F_OFD_SETLK
        #expect(unsafe withUnsafeMutablePointer(to: &lock) { unsafe fcntl(reader, 37, $0) } == 0)
        #expect(try !SharedFileReader(place.path).isWritten)
        let next = try place.made([2])
        try next.publish()
        #expect(place.found == [2] && place.names == ["page"])
        withExtendedLifetime(next) {}
    }

    /// Who reads what an ended process left keeps it, and sees that it is not what the path names.
    @Test func whatWasLeftIsReplacedAndNotChanged() throws {
        do { try place.made([1, 2, 3]).publish() }
        let early = try SharedFileReader(place.path)
        let next = try place.made([4])
        #expect(place.found == [1, 2, 3] && early.isCurrent)
        try next.publish()
        #expect(place.found == [4])
        #expect(early.all == [1, 2, 3] && !early.isCurrent && !early.isWritten)
        withExtendedLifetime(next) {}
    }

    @Test func whoDiedBeforeItWasFoundLeavesItsPlaceToTheNext() throws {
        do { _ = try place.made([1, 2, 3]) }
        #expect(place.names == ["page.new"])
        let next = try place.made([4])
        #expect(next.words.count == 1)
        try next.publish()
        #expect(place.found == [4] && place.names == ["page"])
    }

    private struct Other: Sendable {
        let name: String
        let make: @Sendable (String) -> CInt
        /// errno of who wants to write there, and of who wants to read.
        let write: CInt
        let read: CInt?

        static let all = [
            Other(name: "a link", make: { unsafe symlink("/etc/passwd", $0) }, write: ELOOP, read: ELOOP),
            Other(name: "a folder", make: { unsafe mkdir($0, 0o755) }, write: EISDIR, read: EINVAL),
            Other(name: "a pipe", make: { unsafe mkfifo($0, 0o600) }, write: EINVAL, read: EINVAL),
            Other(
                name: "a file of two names",
                make: { path in
                    guard FileManager.default.createFile(atPath: path + ".other", contents: nil) else { return -1 }
                    return unsafe link(path + ".other", path)
                }, write: EPERM, read: nil),
        ]
    }

    @Test(arguments: Other.all.indices) func whereSomethingElseLies(number: Int) {
        let other = Other.all[number]
        func code(_ body: () throws -> Void) -> CInt? {
            if case .system(_, _, let code) = problem(body) { code } else { nil }
        }
        #expect(other.make(place.path + ".new") == 0 && other.make(place.path) == 0)
        #expect(code { _ = try place.made([1]) } == other.write, "\(other.name)")
        #expect(code { _ = try SharedFileReader(place.path) } == other.read, "\(other.name)")
    }

    @Test func sentences() {
        #expect(
            problem { _ = try SharedFileReader("/none/page") }?.sentence
                == "/none/page: open: No such file or directory")
        #expect(
            SharedFileError.noRoom(path: "/p", bytes: 8).sentence.hasPrefix("there is no room for the 8 bytes of /p"))
        #expect(SharedFileError.taken(path: "/p").sentence.hasPrefix("/p is written by another process that is alive"))
    }

    /// Reads are short, and nothing traps.
    @Test func aFileThatIsCutShort() throws {
        let file = try place.made([1, 2, 3, 4])
        try file.publish()
        let reader = try SharedFileReader(place.path)
        var words = [UInt64](repeating: 7, count: 4)
        for (bytes, count) in [(32, 4), (31, 3), (9, 1), (7, 0), (0, 0)] {
            #expect(unsafe truncate(place.path, bytes) == 0)
            #expect(reader.count == count)
            #expect(reader.read(from: 0, into: &words, 0..<4) == (count == 4))
            #expect(reader.read(from: 0, into: &words, 0..<count))
            #expect(!reader.read(from: count, into: &words, 0..<1) || count == 4)
            #expect(reader.read(from: 100, into: &words, 0..<0))
        }
        #expect(!reader.read(from: -1, into: &words, 0..<1) && !reader.read(from: 0, into: &words, 0..<5))
        withExtendedLifetime(file) {}
    }

    @Test func onlyWhatWasAskedForIsChanged() throws {
        let file = try place.made([1, 2, 3, 4])
        try file.publish()
        var words = [UInt64](repeating: 7, count: 5)
        #expect(try SharedFileReader(place.path).read(from: 1, into: &words, 2..<4))
        #expect(words == [7, 7, 2, 3, 7])
    }

    @Test(.enabled(if: SmallVolume.isAllowed, "no file system may be mounted here"))
    func aFullVolumeIsAnErrorAndNoSignal() throws {
        guard let volume = SmallVolume(place.folder) else {
            Issue.record("no volume")
            return
        }
        let page = volume.folder + "/page"
        #expect(problem { _ = try SharedFile(page, words: 16 << 10) } == .noRoom(path: page, bytes: 128 << 10))
        #expect(try FileManager.default.contentsOfDirectory(atPath: volume.folder) == [])
        // What has room is not in the way of it.
        let file = try SharedFile(page, words: 4 << 10)
        for word in 0..<4 << 10 { file.words.store(word, .max) }
        try file.publish()
        #expect(try SharedFileReader(page).all == [UInt64](repeating: .max, count: 4 << 10))
    }

    /// The other process is one that holds the writer's descriptor and knows nothing of it.
    @Test func theLockEndsWithItsProcess() throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sleep")
        child.arguments = ["1000"]
        do {
            let file = try place.made([5])
            try file.publish()
            let descriptor = try #require(
                FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)) == place.path
                }.flatMap { CInt($0) })
            child.standardInput = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
            try child.run()
            withExtendedLifetime(file) {}
        }
        let reader = try SharedFileReader(place.path)
        #expect(reader.isWritten)
        #expect(problem { _ = try place.made([6]) } == .taken(path: place.path))
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        #expect(!reader.isWritten && reader.all == [5])
        #expect(problem { _ = try place.made([6]) } == nil)
    }

    /// Read with system calls while another thread stores: from and to every place of a cache line.
    @Test func noWordIsTorn() async throws {
        let file = try place.made([UInt64](repeating: 0, count: 1024))
        try file.publish()
        let (isOver, rounds) = (Flag(), Flag())
        async let stores: Void = {
            var pattern = UInt64.max
            while !isOver.isSet {
                for word in 0..<1024 { file.words.store(word, pattern) }
                pattern = ~pattern
                rounds.add()
            }
        }()
        let reader = try SharedFileReader(place.path)
        var words = [UInt64](repeating: 0, count: 1024)
        var (torn, mixed) = (0, 0)
        for turn in 0..<2000 {
            let to = turn / 8 % 8..<1016
            #expect(reader.read(from: turn % 8, into: &words, to))
            let counts = to.reduce(into: (zeros: 0, ones: 0)) { counts, index in
                if words[index] == 0 {
                    counts.zeros += 1
                } else if words[index] == .max {
                    counts.ones += 1
                } else {
                    torn += 1
                }
            }
            if counts.zeros > 0 && counts.ones > 0 { mixed += 1 }
        }
        isOver.add()
        await stores
        #expect(torn == 0, "of \(mixed) reads that met a store")
        // They did meet, where there are two cores.
        #expect(mixed > 0 || rounds.value < 10)
    }
}

private final class Flag: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
    var isSet: Bool { value > 0 }
}

/// 64 kB of memory as a file system.
private struct SmallVolume: ~Copyable {
    let folder: String

    static let isAllowed: Bool = {
        guard let place = try? Place() else { return false }
        return SmallVolume(place.folder) != nil
    }()

    init?(_ parent: String) {
        folder = parent + "/volume"
        guard unsafe mkdir(folder, 0o755) == 0, unsafe mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 else {
            return nil
        }
    }

    deinit { unsafe umount2(folder, CInt(2)) }
}

@Suite struct SharedWordsTests {
    @Test func wordsOfARange() {
        let table = AtomicWords(count: 8)
        let part = table.words[2..<6]
        part.store(0, 5)
        part.count(0, 3)
        part.count(1)
        part.add(1, 2)
        part.publish(3, .max)
        part.count(3, 2)
        part.add(3, .max)
        #expect((0..<8).map { table.load($0) } == [0, 0, 8, 3, 0, 0, 0, 0])
        #expect(part.count == 4 && part[1..<1].count == 0 && part[1..<2].load(0) == 3)
    }
}
