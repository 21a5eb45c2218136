// Enters: paths. Leaves: what lies there: logs, keys, texts; or which file cannot be read, and why.
import Audit
import Cryptography
import Foundation
import Glibc
import Memory

/// DIR of a command: one log's folder, or a folder of logs.
struct AuditFolder {
    let path: String
    let logs: [LogFiles]
    let isOneLog: Bool

    init(_ path: String) throws {
        self.path = path
        let names = try Self.names(in: path)
        let one = Self.log(path, names)
        isOneLog = one.isLog
        guard !isOneLog else {
            logs = [one]
            return
        }
        logs = try names.sorted().filter { LogID.isFolderName($0) }.map { name in
            Self.log(path + "/" + name, try Self.names(in: path + "/" + name))
        }
    }

    /// One log: the only one, or the one of this number. Errors: there are several, none, or not this one.
    func log(number: Int?) throws -> LogFiles {
        if let number {
            guard let log = logs.first(where: { isOneLog || $0.name.hasPrefix("log-" + Self.padded(number) + "-") })
            else {
                throw Failure(sentence: "--log \(number): \(path) holds no such log")
            }
            return log
        }
        guard let last = logs.last else { throw Failure(sentence: "\(path) holds no log: no segment-… and no log-…") }
        return last
    }

    private static func padded(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 4 - String(number).count)) + String(number)
    }

    static func names(in path: String) throws -> [String] {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(sentence: "\(path) cannot be listed: \(errnoText())") }
        close(descriptor)
        do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
            throw Failure(sentence: "\(path) cannot be listed: \(error.localizedDescription)")
        }
    }

    private static func log(_ path: String, _ names: [String]) -> LogFiles {
        let name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
        return LogFiles(name: name, names: names) { (file, bytesMax) throws(UnreadableFile) in
            try readFile("\(path)/\(file)", bytesMax: bytesMax)
        }
    }
}

/// The beginning of a regular file. A segment ends at 64 MiB, and a file is read whole: one that is absurdly large is refused.
func readFile(_ path: String, bytesMax: Int, followsLink: Bool = false) throws(UnreadableFile) -> OwnedBytes {
    let fileBytesMax = 1 << 30
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followsLink ? 0 : O_NOFOLLOW)
    let descriptor = unsafe open(path, flags)
    guard descriptor >= 0 else { throw UnreadableFile(sentence: "\(path) cannot be opened: \(errnoText())") }
    defer { close(descriptor) }
    var status = stat()
    if unsafe fstat(descriptor, &status) == 0, status.st_size > fileBytesMax, bytesMax > fileBytesMax {
        throw UnreadableFile(sentence: "\(path) has \(status.st_size) bytes, must be at most \(fileBytesMax)")
    }
    guard let bytes = OwnedBytes(reading: descriptor, bytesMax: bytesMax) else {
        throw UnreadableFile(sentence: "\(path) cannot be read: \(errnoText())")
    }
    return bytes
}

enum Texts {
    /// A small file, whole.
    static func read(_ path: String, option: String, bytesMax: Int = 64 << 20) throws -> [UInt8] {
        do throws(UnreadableFile) {
            let bytes = try readFile(path, bytesMax: bytesMax + 1, followsLink: true)
            guard bytes.view.count <= bytesMax else {
                throw UnreadableFile(sentence: "\(path) has more than \(bytesMax) bytes")
            }
            return bytes.view.array
        } catch {
            throw Failure(sentence: "\(option): \(error.sentence)")
        }
    }

    static func text(_ path: String, option: String) throws -> String {
        guard let text = String(validating: try read(path, option: option), as: UTF8.self) else {
            throw Failure(sentence: "\(option): \(path) is not UTF-8")
        }
        return text
    }

    /// Each `<kid>.key` of a folder: 32 bytes, or their base64 and a newline.
    static func keys(_ folder: String, option: String) throws -> [String: Secret] {
        let names: [String]
        do { names = try AuditFolder.names(in: folder) } catch let failure as Failure {
            throw Failure(sentence: "\(option): \(failure.sentence)")
        }
        var keys: [String: Secret] = [:]
        for name in names where name.hasSuffix(".key") && !name.hasPrefix(".") {
            var bytes = try read(folder + "/" + name, option: option, bytesMax: 1 << 10)
            if bytes.count != 32 {
                let line = String(decoding: bytes, as: UTF8.self)
                bytes = Base64.decode(line.hasSuffix("\n") ? String(line.dropLast()) : line) ?? []
            }
            guard bytes.count == 32 else {
                throw Failure(sentence: "\(option): \(folder)/\(name) is neither 32 bytes nor their base64")
            }
            keys[String(name.dropLast(4))] = Secret(moving: &bytes)
        }
        return keys
    }
}

func errnoText() -> String { unsafe String(cString: strerror(errno)) }
