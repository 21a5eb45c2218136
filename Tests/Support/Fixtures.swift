// Enters: a path beneath Tests/Fixtures. Leaves: the file's bytes.
public import Foundation

/// Files that the scripts in Tests/Fixtures generate and the tests read.
public enum Fixtures {
    public static func data(_ path: String) throws -> Data {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try Data(contentsOf: tests.appending(path: "Fixtures/\(path)"))
    }

    public static func bytes(_ path: String) throws -> [UInt8] { Array(try data(path)) }
}
