// Enters: subjects and months. Leaves: payload keys, in a file that is only added to.
public import Audit
public import Cryptography
internal import Glibc
internal import Memory

/// Payload keys in one file: each start writes it anew under a new salt, and new keys are appended (TRUST 4.1, "Payload keys").
public struct PlainPayloadKeys: PayloadKeySource {
    private let path: String
    private let file: OpenFile
    private let entries: PayloadKeyFile
    private var keys: [Name: PayloadKey] = [:]
    private var unwritten: [UInt8] = []
    private let random: (Int) -> [UInt8]

    private struct Name: Hashable {
        let subject: [UInt8]
        let month: UInt32
    }

    /// - Parameter storeKeys: by key id; those of an older file, and `active`, which seals the new one.
    /// Errors: the file that is there cannot be read, or the new one not be made.
    public init(
        _ path: String, active: (kid: String, key: Secret), storeKeys: [String: Secret],
        random: @escaping (Int) -> [UInt8]
    ) throws(AgentError) {
        (self.path, self.random) = (path, random)
        entries = PayloadKeyFile(kid: active.kid, storeKey: active.key, salt: random(32))
        var bytes = entries.header
        for key in try Self.read(path, storeKeys) {
            keys[Name(subject: key.subject, month: key.month)] = key
            bytes += entries.append(key)
        }
        let new = path + ".new"
        _ = unsafe unlink(new)
        file = OpenFile(unsafe open(new, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
        guard file.isOpen else { throw AgentError(system: new, "open") }
        do throws(VolumeError) { try file.write(bytes, path: new) } catch { throw AgentError(sentence: error.sentence) }
        guard fsync(file.descriptor) == 0 else { throw AgentError(system: new, "fsync") }
        guard unsafe rename(new, path) == 0 else { throw AgentError(system: path, "rename") }
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let folder = OpenFile(unsafe open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard folder.isOpen, fsync(folder.descriptor) == 0 else { throw AgentError(system: parent, "fsync") }
    }

    private static func read(_ path: String, _ storeKeys: [String: Secret]) throws(AgentError) -> [PayloadKey] {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[..<$0]) } ?? "."
        let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
        do throws(VolumeError) {
            let volume = try FolderVolume(folder.isEmpty ? "/" : folder)
            guard try volume.names().contains(name) else { return [] }
            let file = try volume.read(name)
            let bytes = withExtendedLifetime(file) { file.view.array }
            do throws(PayloadKeyFileError) { return try PayloadKeyFile(bytes, storeKeys: storeKeys).keys } catch {
                throw VolumeError(sentence: "\(path): \(error.sentence)")
            }
        } catch {
            throw AgentError(sentence: error.sentence)
        }
    }

    public mutating func key(subject: [UInt8], month: UInt32) -> PayloadKey {
        let name = Name(subject: subject, month: month)
        if let key = keys[name] { return key }
        let key = PayloadKey(
            name: random(8), subject: subject, month: month, isHeld: false, key: .random(count: 32))
        keys[name] = key
        unwritten += entries.append(key)
        return key
    }

    public mutating func flush() throws(VolumeError) {
        guard !unwritten.isEmpty else { return }
        try file.write(unwritten, path: path)
        guard fdatasync(file.descriptor) == 0 else { throw VolumeError(system: path, "fdatasync") }
        unwritten.removeAll()
    }
}
