// Enters: folders and files. Leaves: which are rings of which server, whether it lives, and when its file goes.
import Foundation
import Memory
import Testing

@testable import RecordRing

private func problem(_ body: () throws -> Void) -> RecordRingError? {
    do {
        try body()
        return nil
    } catch { return error as? RecordRingError }
}

@Test func oneFileForEachLife() throws {
    let place = try Place()
    let life = try Life(place, instance: 0xab00_0000_0000_00cd, rings: 3)
    #expect(place.names == ["ring-ab000000000000cd.ring"])
    let status = try FileManager.default.attributesOfItem(atPath: life.path)
    #expect(status[.posixPermissions] as? Int == 0o600)
    let file = try RecordRingFile(life.path)
    #expect(file.isWritten && file.rings == 3 && file.mode == .acknowledge && file.instance == life.rings.instance)
    // The same instance again: the file is never replaced.
    #expect(problem { _ = try Life(place, instance: 0xab00_0000_0000_00cd) } == .file(.taken(path: life.path)))
    #expect(place.names == ["ring-ab000000000000cd.ring"] && file.isWritten)
    let other = try Life(place, instance: 1)
    #expect(try RecordRingFile.paths(in: place.folder) == [other.path, life.path])
}

/// bytes of a ring, rings · the fault
@Test func sizes() throws {
    let place = try Place()
    let instance = RecordInstance(high: 1, low: 2)
    let least = (RecordLayout.recordBytesMax + 63) / 64 * 64
    for (bytes, rings, fault) in [
        (0, 1, .size(bytes: 0)), (-1, 1, .size(bytes: -1)), (least - 64, 1, .size(bytes: least - 64)),
        (least, 0, .rings(0)), (least, 1025, .rings(1025)), (.max, 1, .size(bytes: .max)), (least, 1, nil),
    ] as [(Int, Int, RecordRingError?)] {
        let found = problem {
            let rings = try RecordRings(
                folder: place.folder, instance: instance, rings: rings, bytesPerRing: bytes, mode: .overwrite)
            let shard = Shard(rings.writer(0))
            #expect(shard.reserve(RecordLayout.recordBytesMax) != nil, "the largest record has room")
            #expect(try RecordRingFile(place.folder + "/" + instance.fileName).mode == .overwrite)
        }
        #expect(found == fault)
    }
    #expect(
        problem {
            _ = try RecordRings(folder: "/none", instance: instance, rings: 1, bytesPerRing: least, mode: .overwrite)
        }?.sentence == "/none/ring-0000000000000001.ring.new: open: No such file or directory")
}

/// A server says how long its records may wait; a file that says for ever is not believed.
@Test(arguments: [(0, 0), (10_000_000, 10_000_000), (.max, 100_000_000)] as [(UInt64, UInt64)])
func patience(told: UInt64, believed: UInt64) throws {
    let place = try Place()
    let instance = RecordInstance(high: 1, low: 2)
    let rings = try RecordRings(
        folder: place.folder, instance: instance, rings: 1, wordsPerRing: 64, mode: .acknowledge,
        patienceNanoseconds: told)
    #expect(try RecordRingFile(place.folder + "/" + instance.fileName).patienceNanoseconds == believed)
    withExtendedLifetime(rings) {}
}

@Test func aFileGoesWhenItsServerIsDeadAndAllIsDurable() throws {
    let place = try Place()
    let path: String
    let file: RecordRingFile
    do {
        let life = try Life(place, rings: 2)
        path = life.path
        file = try RecordRingFile(path)
        #expect(try !file.removeIfFinished(), "it lives")
        for number in 1...3 as ClosedRange<UInt64> { life.shards[1].write(RingCall(seed: number, bodyMax: 100)) }
    }
    #expect(!file.isWritten)
    #expect(try !file.removeIfFinished(), "three records are not durable")
    let reader = try RecordRingReader(file, ring: 1)
    while try reader.next() != nil {
        #expect(try !file.removeIfFinished())
        try reader.acknowledge(reader.place)
    }
    #expect(try file.removeIfFinished() && place.names.isEmpty)
    #expect(try !file.removeIfFinished(), "it is gone")
    // Another file of that name is none of ours.
    let next = try Life(place)
    #expect(try !file.removeIfFinished() && place.names.count == 1)
    withExtendedLifetime(next) {}
}

/// word of the file, what stands there · whether it is foreign; else it is too short for what it says
@Test(
    arguments: [
        (0, 0, true), (1, 2, true), (2, 0, true), (2, 1025, true), (2, .max, true), (3, 0, true), (3, 3, true),
        (3, .max, true),
        (4, 5, true), (6, 0, true), (6, 3, true), (2, 2, false), (3, 4097, false), (3, 1 << 32, false),
    ] as [(Int, UInt64, Bool)])
func headers(word: Int, value: UInt64, isForeign: Bool) throws {
    let place = try Place()
    let life = try Life(place)
    #expect(throws: Never.self) { try RecordRingFile(life.path) }
    life.words.store(word, value)
    let bytes = life.words.count * 8
    #expect(
        problem { _ = try RecordRingFile(life.path) }
            == (isForeign ? .foreign(path: life.path) : .short(path: life.path, bytes: bytes)))
}

@Test func namesThatAreNoRings() throws {
    let place = try Place()
    for name in [
        "ring-0000000000000001.ring", "ring-0000000000000001.ring.new", "ring-000000000000000g.ring", "ring-1.ring",
        "ring-ABCDEF0000000000.ring", "Ring-0000000000000001.ring", "other",
    ] {
        #expect(FileManager.default.createFile(atPath: place.folder + "/" + name, contents: Data(count: 8192)))
    }
    let only = place.folder + "/ring-0000000000000001.ring"
    #expect(try RecordRingFile.paths(in: place.folder) == [only])
    #expect(problem { _ = try RecordRingFile(only) } == .foreign(path: only))
    #expect(unsafe mkfifo(place.folder + "/ring-0000000000000002.ring", 0o600) == 0)
    #expect(unsafe symlink("/etc/passwd", place.folder + "/ring-0000000000000003.ring") == 0)
    #expect(unsafe mkdir(place.folder + "/ring-0000000000000004.ring", 0o700) == 0)
    for (name, code) in [("2", nil), ("3", ELOOP), ("4", EISDIR)] as [(String, CInt?)] {
        let path = place.folder + "/ring-000000000000000\(name).ring"
        #expect(
            problem { _ = try RecordRingFile(path) }
                == code.map { .system(path: path, operation: "open", code: $0) } ?? .foreign(path: path))
    }
    #expect(
        problem { _ = try RecordRingFile.paths(in: place.folder + "/none") }?.sentence
            == "\(place.folder)/none: opendir: No such file or directory")
}

/// A file that is cut short while it is read is an error, and no SIGBUS.
@Test func aFileThatIsCutShort() throws {
    let place = try Place()
    let life = try Life(place)
    for number in 1...3 as ClosedRange<UInt64> { life.shards[0].write(RingCall(seed: number, bodyMax: 100)) }
    let reader = try life.reader()
    #expect(unsafe truncate(life.path, 5000) == 0)
    #expect(problem { _ = try reader.next() } == .short(path: life.path, bytes: 5000))
    #expect(unsafe truncate(life.path, 100) == 0)
    #expect(problem { _ = try reader.next() } == .short(path: life.path, bytes: 100))
    #expect(problem { _ = try RecordRingFile(life.path) } == .foreign(path: life.path))
}

@Test func sentences() {
    for (error, sentence) in [
        (.size(bytes: 5), "a ring of 5 bytes, must be between \(RecordLayout.recordBytesMax) and 34359738368"),
        (.rings(0), "0 rings, must be between 1 and 1024"),
        (
            .broken(path: "/p", ring: 2, position: 7, .length(2, written: 9)),
            "/p: ring 2 is broken at word 7: a record of 2 words begins, must have 4 to 9; skip to its head, "
                + "and record an alarm"
        ),
        (
            .broken(path: "/p", ring: 2, position: 7, .sequence(9, after: 4)),
            "/p: ring 2 is broken at word 7: record 9 follows record 4; skip to its head, and record an alarm"
        ),
    ] as [(RecordRingError, String)] {
        #expect(error.sentence == sentence)
    }
}
