// Enters: more lines than files have room for. Leaves: the newest of them, within the bound.
import Foundation
import Testing

@testable import StructuredLog

private struct Folder {
    let path: String

    init() throws {
        path = "\(NSTemporaryDirectory())vencejo-log-\(UUID())"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }

    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }
}

private func line(_ number: Int) -> [UInt8] { Array(String(repeating: "\(number % 10)", count: 999).utf8) }

@Test func theOldestFileIsRemoved() throws {
    let folder = try Folder()
    defer { folder.remove() }
    let file = try RotatingFile("\(folder.path)/a.log", bytesMax: 64 << 10, files: 3)
    // 65 lines to a file.
    for number in 0..<65 * 5 + 3 { file.write(line(number)) }
    #expect(try folder.names() == ["a.log", "a.log.1", "a.log.2"])
    for name in try folder.names() { #expect(try folder.text(name).utf8.count <= 64 << 10) }
    let all = try ["a.log.2", "a.log.1", "a.log"].map(folder.text).joined().split(separator: "\n")
    let numbers = 65 * 3..<65 * 5 + 3
    #expect(all.map { Array($0.utf8) } == numbers.map(line))
}

@Test func oneFileBeginsAnew() throws {
    let folder = try Folder()
    defer { folder.remove() }
    let file = try RotatingFile("\(folder.path)/a.log", bytesMax: 64 << 10, files: 1)
    for number in 0..<66 { file.write(line(number)) }
    #expect(try folder.names() == ["a.log"])
    #expect(try folder.text("a.log").utf8.count == 1000)
}

@Test func whatIsThereIsGoneOnWith() throws {
    let folder = try Folder()
    defer { folder.remove() }
    for number in 0..<66 {
        try RotatingFile("\(folder.path)/a.log", bytesMax: 64 << 10, files: 2).write(line(number))
    }
    #expect(try folder.names() == ["a.log", "a.log.1"])
    #expect(try folder.text("a.log.1").utf8.count == 65_000)
}

/// Somebody else moved it away, or its folder: lines are not lost silently, and it comes back.
@Test func aFolderThatComesBack() throws {
    let folder = try Folder()
    defer { folder.remove() }
    let file = try RotatingFile("\(folder.path)/a.log", bytesMax: 64 << 10, files: 2)
    for number in 0..<65 { file.write(line(number)) }
    folder.remove()
    file.write(Array("{\"message\":\"on standard error, by a test\"}".utf8))
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    file.write(line(1))
    #expect(try folder.text("a.log").utf8.count == 1000)
}

@Test(arguments: [(1, 3), (64 << 10, 0), (64 << 10, 1001)]) func boundsThatMakeNoSense(bytesMax: Int, files: Int) {
    #expect(throws: LogFileError.self) { try RotatingFile("/tmp/never", bytesMax: bytesMax, files: files) }
}

@Test func aFileThatCannotBeHad() {
    #expect(throws: LogFileError.self) { try RotatingFile("/nowhere/a.log", bytesMax: 64 << 10, files: 1) }
}
