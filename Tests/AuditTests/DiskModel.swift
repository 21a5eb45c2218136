import Audit
import Memory

/// A disk that forgets: what was not synced may be gone, or half there, after a power cut.
final class DiskModel: AuditVolume {
    enum Operation: Equatable {
        case create(String)
        case write(String, [UInt8])
        case sync(String)
        case syncNames
        case rename(String, String)
        case remove(String)
    }

    /// What a power cut leaves.
    struct Cut {
        /// Of unsynced operations on names so many are there.
        var names: Int
        /// Of each file's unsynced bytes this share is there, in 256ths; 256: all.
        var share: Int
        /// Bytes that are there by their length only: zeros.
        var isZeroed: Bool
        /// fsync of a file makes its name durable too, as ext4 does.
        var syncImpliesName: Bool
    }

    private(set) var operations: [Operation] = []
    private var files: [String: [UInt8]]
    private var written = ""
    /// Syncs that do nothing: a writer that forgets them.
    var sabotage: (Operation) -> Bool = { _ in false }
    /// The operation with this number fails, once.
    var failing: Int?
    private let start: [String: [UInt8]]

    init(_ files: [String: [UInt8]] = [:]) {
        (self.files, start) = (files, files)
    }

    var current: [String: [UInt8]] { files }

    private func act(_ operation: Operation, _ body: () -> Void) throws(VolumeError) {
        if operations.count == failing {
            failing = nil
            throw VolumeError(sentence: "input/output error")
        }
        if sabotage(operation) { return }
        operations.append(operation)
        body()
    }

    func names() throws(VolumeError) -> [String] { files.keys.sorted() }

    func read(_ name: String) throws(VolumeError) -> OwnedBytes {
        guard let file = files[name] else { throw VolumeError(sentence: "no \(name)") }
        return OwnedBytes(file)
    }

    func create(_ name: String) throws(VolumeError) {
        guard files[name] == nil else { throw VolumeError(sentence: "\(name) exists") }
        try act(.create(name)) {
            files[name] = []
            written = name
        }
    }

    func write(_ bytes: [UInt8]) throws(VolumeError) {
        try act(.write(written, bytes)) { files[written, default: []] += bytes }
    }

    func sync() throws(VolumeError) { try act(.sync(written)) {} }
    func sync(_ name: String) throws(VolumeError) { try act(.sync(name)) {} }
    func syncNames() throws(VolumeError) { try act(.syncNames) {} }

    func rename(_ name: String, to other: String) throws(VolumeError) {
        try act(.rename(name, other)) {
            files[other] = files[name]
            files[name] = nil
        }
    }

    func remove(_ name: String) throws(VolumeError) { try act(.remove(name)) { files[name] = nil } }

    /// The files after a power cut behind the first `count` operations.
    func files(after count: Int, _ cut: Cut) -> [String: [UInt8]] {
        // A file goes by the name that it was made with.
        var contents: [Int: (synced: [UInt8], rest: [UInt8])] = [:]
        var (identities, next) = ([String: Int](), 0)
        var durable: [String: Int] = [:]
        var pending: [(inout [String: Int]) -> Void] = []
        for (name, bytes) in start {
            (identities[name], durable[name], contents[next]) = (next, next, (bytes, []))
            next += 1
        }
        for operation in operations.prefix(count) {
            switch operation {
            case .create(let name):
                let identity = next
                (identities[name], contents[identity]) = (identity, ([], []))
                next += 1
                pending.append { $0[name] = identity }
            case .write(let name, let bytes):
                if let identity = identities[name] { contents[identity]?.rest += bytes }
            case .sync(let name):
                guard let identity = identities[name], let content = contents[identity] else { continue }
                contents[identity] = (content.synced + content.rest, [])
                if cut.syncImpliesName { durable[name] = identity }
            case .syncNames:
                for change in pending { change(&durable) }
                pending = []
            case .rename(let name, let other):
                let identity = identities[name]
                (identities[other], identities[name]) = (identity, nil)
                pending.append {
                    $0[other] = identity
                    $0[name] = nil
                }
            case .remove(let name):
                identities[name] = nil
                pending.append { $0[name] = nil }
            }
        }
        for change in pending.prefix(cut.names) { change(&durable) }
        return durable.mapValues { identity in
            let content = contents[identity] ?? ([], [])
            let kept = content.rest.prefix(content.rest.count * cut.share / 256)
            return content.synced + (cut.isZeroed ? [UInt8](repeating: 0, count: kept.count) : Array(kept))
        }
    }
}
