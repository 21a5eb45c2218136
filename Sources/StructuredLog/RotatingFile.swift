// Enters: lines. Leaves: files of a bounded size: the newest under its own name, older ones with .1, .2, … behind it.
internal import Foundation
internal import Memory

/// A log file that cannot be had, and why.
public struct LogFileError: Error, Equatable {
    public let sentence: String
}

/// Lines in a file that makes room for itself: at `bytesMax` it becomes `.1`, what was `.1` becomes `.2`, and the last of
/// `files` is removed. So all of them together never take more than `files` · `bytesMax` bytes of disk.
///
/// What the disk does not take goes to standard error.
public final class RotatingFile: LogLines {
    /// A line has room in it.
    public static let bytesMin = 64 << 10

    private struct State {
        var handle: FileHandle?
        var bytes: Int
    }

    private let path: String
    private let bytesMax: Int
    private let files: Int
    private let state: Lock<State>

    /// Goes on at the end of what is there.
    public init(_ path: String, bytesMax: Int, files: Int) throws(LogFileError) {
        guard bytesMax >= Self.bytesMin else {
            throw LogFileError(
                sentence: "a log file of \(bytesMax) bytes has no room for its lines: give at least \(Self.bytesMin)")
        }
        guard (1...1000).contains(files) else {
            throw LogFileError(sentence: "\(files) log files: give 1 to 1000")
        }
        self.path = path
        self.bytesMax = bytesMax
        self.files = files
        state = Lock(State(handle: nil, bytes: 0))
        guard state.withLock({ open(&$0) }) else {
            throw LogFileError(
                sentence:
                    "log file \(path) cannot be written: make its folder, with leave to write there, or name another")
        }
    }

    public func write(_ line: [UInt8]) {
        let line = line + [UInt8(ascii: "\n")]
        let isWritten = state.withLock { state in
            if state.bytes > 0, state.bytes + line.count > bytesMax { rotate(&state) }
            // Opened anew if it could not be before: the disk may have room again.
            guard state.handle != nil || open(&state), let handle = state.handle else { return false }
            // Its name could not be changed: what is above the bound is not for the disk.
            guard state.bytes == 0 || state.bytes + line.count <= bytesMax else { return false }
            guard (try? handle.write(contentsOf: line)) != nil else { return false }
            state.bytes += line.count
            return true
        }
        if !isWritten { StandardError().write(Array(line.dropLast())) }
    }

    private func open(_ state: inout State) -> Bool {
        if !FileManager.default.fileExists(atPath: path) {
            guard
                FileManager.default.createFile(
                    atPath: path, contents: nil, attributes: [.posixPermissions: NSNumber(value: 0o640)])
            else { return false }
        }
        guard let handle = FileHandle(forWritingAtPath: path), let end = try? handle.seekToEnd() else { return false }
        state = State(handle: handle, bytes: Int(end))
        return true
    }

    private func rotate(_ state: inout State) {
        try? state.handle?.close()
        let manager = FileManager.default
        func name(_ age: Int) -> String { age == 0 ? path : "\(path).\(age)" }
        try? manager.removeItem(atPath: name(files - 1))
        for age in stride(from: files - 2, through: 0, by: -1) {
            try? manager.moveItem(atPath: name(age), toPath: name(age + 1))
        }
        state = State(handle: nil, bytes: 0)
    }
}

/// As people write it: `536870912`, `512M`, `2G`; units are powers of 1024. `nil`: that is no number above 0, or too large a one.
public func byteCount(_ text: String) -> Int? {
    let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
    let shift = text.last.flatMap { units[$0] }
    let digits = shift == nil ? text : String(text.dropLast())
    guard let number = Int(digits), number > 0, number <= Int.max >> (shift ?? 0) else { return nil }
    return number << (shift ?? 0)
}
