// Enters: a path that the operator named. Leaves: the file's bytes, or why they are not read.
import Foundation

/// Files that the command line reads whole. A device that never ends (/dev/zero) is refused like a file that is too large.
enum LimitedFile {
    /// `--config`, and what MLflow and MLServer say of a model.
    static let configurationBytesMax = 1 << 20
    /// `--input`: JSON text, or an array that is dealt out to many requests.
    static let inputBytesMax = 1 << 30

    struct Problem: Error {
        /// Follows the file's name in a sentence.
        let sentence: String
    }

    static func read(_ path: String, bytesMax: Int) throws(Problem) -> [UInt8] {
        let data: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            data = try handle.read(upToCount: bytesMax + 1) ?? Data()
        } catch {
            throw Problem(sentence: "cannot be read")
        }
        guard data.count <= bytesMax else { throw Problem(sentence: "is larger than \(bytesMax) bytes") }
        return Array(data)
    }
}
