// Enters: a folder. Leaves: the paths of the ring files in it, of servers that live and of dead ones.
internal import Glibc
internal import Memory

extension RecordRingFile {
    /// Ascending, at most `max` of them; other names are passed over.
    public static func paths(in folder: String, max: Int = 1024) throws(RecordRingError) -> [String] {
        guard let stream = unsafe opendir(folder) else {
            throw .system(path: folder, operation: "opendir", code: errno)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while names.count < max {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw .system(path: folder, operation: "readdir", code: errno) }
                break
            }
            let name = unsafe text(entry)
            if isName(name) { names.append(name) }
        }
        return names.sorted().map { "\(folder)/\($0)" }
    }

    /// An entry is shorter than its type says: the name is read in place, up to its zero.
    @unsafe private static func text(_ entry: UnsafeMutablePointer<dirent>) -> String {
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return "" }
        let name = unsafe UnsafeRawPointer(entry) + offset
        return unsafe String(cString: name.assumingMemoryBound(to: CChar.self))
    }

    private static func isName(_ name: String) -> Bool {
        let bytes = name.utf8
        return bytes.count == RecordInstance.prefix.utf8.count + 16 + RecordInstance.suffix.utf8.count
            && name.hasPrefix(RecordInstance.prefix) && name.hasSuffix(RecordInstance.suffix)
            && bytes.dropFirst(RecordInstance.prefix.utf8.count).prefix(16).allSatisfy {
                48...57 ~= $0 || 97...102 ~= $0
            }
    }
}
