import Audit
import AuditAgent
import Memory

/// The disks of a machine that forgets: one order of operations over folders, so that power is cut at one moment for all of them.
/// A folder's name may have one level: `audit/log-…`, `keys`.
final class MachineModel {
    enum Operation: Equatable {
        case create(folder: String, name: String, file: Int)
        case write(Int, [UInt8])
        case sync(Int)
        case syncNames(String)
        case rename(folder: String, String, String)
        case remove(folder: String, String)
        case renameFolder(String, String)
        case removeFolder(String)
    }

    /// What a power cut leaves.
    struct Cut {
        /// Of unsynced operations on the names of each folder so many are there.
        var names: Int
        /// Of each file's unsynced bytes this share is there, in 256ths.
        var share: Int
        /// Bytes that are there by their length only: zeros.
        var isZeroed: Bool

        init(_ random: inout SplitMix) {
            names = Int(random.next() % 4)
            share = [0, 0, 64, 128, 255, 256][Int(random.next() % 6)]
            isZeroed = random.next() % 4 == 0
        }
    }

    typealias Files = [String: [String: [UInt8]]]

    private(set) var operations: [Operation] = []
    /// The operation with this number fails, once.
    var failing: Int?
    /// Operations that do nothing: a program that forgets them.
    var sabotage: (Operation) -> Bool = { _ in false }
    private let start: Files
    private(set) var contents: [[UInt8]] = []
    private(set) var folders: [String: [String: Int]] = [:]

    init(_ files: Files = [:]) {
        start = files
        for (folder, files) in files.sorted(by: { $0.key < $1.key }) {
            folders[folder] = [:]
            for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
                folders[folder]?[name] = contents.count
                contents.append(bytes)
            }
        }
    }

    var current: Files { folders.mapValues { $0.mapValues { contents[$0] } } }

    func act(_ operation: Operation) throws(VolumeError) {
        if operations.count == failing {
            failing = nil
            throw VolumeError(sentence: "input/output error")
        }
        if sabotage(operation) { return }
        operations.append(operation)
        switch operation {
        case .create(let folder, let name, let file):
            contents.append([])
            folders[folder, default: [:]][name] = file
        case .write(let file, let bytes): contents[file] += bytes
        case .sync, .syncNames: break
        case .rename(let folder, let name, let other):
            let file = folders[folder]?[name]
            folders[folder]?[other] = file
            folders[folder]?[name] = nil
        case .remove(let folder, let name): folders[folder]?[name] = nil
        case .renameFolder(let folder, let other):
            folders[other] = folders[folder]
            folders[folder] = nil
        case .removeFolder(let folder): folders[folder] = nil
        }
    }

    /// The files after a power cut behind the first `count` operations. Operations on folders are durable: retention syncs each.
    func files(after count: Int, _ cut: Cut) -> Files {
        var contents: [(synced: [UInt8], rest: [UInt8])] = []
        var folders: [String: [String: Int]] = [:]
        var pending: [String: [(inout [String: Int]) -> Void]] = [:]
        for (folder, files) in start.sorted(by: { $0.key < $1.key }) {
            folders[folder] = [:]
            for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
                folders[folder]?[name] = contents.count
                contents.append((bytes, []))
            }
        }
        for operation in operations.prefix(count) {
            switch operation {
            case .create(let folder, let name, let file):
                contents.append(([], []))
                pending[folder, default: []].append { $0[name] = file }
            case .write(let file, let bytes): contents[file].rest += bytes
            case .sync(let file): contents[file] = (contents[file].synced + contents[file].rest, [])
            case .syncNames(let folder):
                for change in pending[folder] ?? [] { change(&folders[folder, default: [:]]) }
                pending[folder] = []
            case .rename(let folder, let name, let other):
                pending[folder, default: []].append {
                    let file = $0[name]
                    $0[other] = file
                    $0[name] = nil
                }
            case .remove(let folder, let name): pending[folder, default: []].append { $0[name] = nil }
            case .renameFolder(let folder, let other):
                folders[other] = folders[folder]
                pending[other] = pending[folder]
                (folders[folder], pending[folder]) = (nil, nil)
            case .removeFolder(let folder): (folders[folder], pending[folder]) = (nil, nil)
            }
        }
        for (folder, changes) in pending {
            for change in changes.prefix(cut.names) { change(&folders[folder, default: [:]]) }
        }
        return folders.mapValues { names in
            names.mapValues { file in
                let content = contents[file]
                let kept = content.rest.prefix(content.rest.count * cut.share / 256)
                return content.synced + (cut.isZeroed ? [UInt8](repeating: 0, count: kept.count) : Array(kept))
            }
        }
    }
}

/// One folder of the machine.
final class MachineVolume: AuditVolume {
    let machine: MachineModel
    let folder: String
    private var file = -1

    init(_ machine: MachineModel, _ folder: String) { (self.machine, self.folder) = (machine, folder) }

    func names() throws(VolumeError) -> [String] { (machine.folders[folder] ?? [:]).keys.sorted() }

    func read(_ name: String) throws(VolumeError) -> OwnedBytes {
        guard let file = machine.folders[folder]?[name] else { throw VolumeError(sentence: "no \(name)") }
        return OwnedBytes(machine.contents[file])
    }

    func create(_ name: String) throws(VolumeError) {
        guard machine.folders[folder]?[name] == nil else { throw VolumeError(sentence: "\(name) exists") }
        let next = machine.contents.count
        try machine.act(.create(folder: folder, name: name, file: next))
        file = next
    }

    func write(_ bytes: [UInt8]) throws(VolumeError) { try machine.act(.write(file, bytes)) }
    func sync() throws(VolumeError) { try machine.act(.sync(file)) }

    func sync(_ name: String) throws(VolumeError) {
        guard let file = machine.folders[folder]?[name] else { throw VolumeError(sentence: "no \(name)") }
        try machine.act(.sync(file))
    }

    func syncNames() throws(VolumeError) { try machine.act(.syncNames(folder)) }

    func rename(_ name: String, to other: String) throws(VolumeError) {
        try machine.act(.rename(folder: folder, name, other))
    }

    func remove(_ name: String) throws(VolumeError) { try machine.act(.remove(folder: folder, name)) }
}

/// The audit folder of the machine: folders of logs are called `audit/<name>`.
struct MachineFolder: RetentionFolder {
    static let prefix = "audit/"
    let machine: MachineModel

    func names() throws(VolumeError) -> [String] {
        machine.folders.keys.filter { $0.hasPrefix(Self.prefix) }.map { String($0.dropFirst(Self.prefix.count)) }
    }

    func names(of log: String) throws(VolumeError) -> [String] {
        guard let files = machine.folders[Self.prefix + log] else { throw VolumeError(sentence: "no \(log)") }
        return Array(files.keys)
    }

    func read(_ log: String, _ name: String, bytesMax: Int) throws(VolumeError) -> OwnedBytes {
        guard let file = machine.folders[Self.prefix + log]?[name] else { throw VolumeError(sentence: "no \(name)") }
        return OwnedBytes(Array(machine.contents[file].prefix(bytesMax)))
    }

    func remove(_ log: String, _ name: String) throws(VolumeError) {
        try machine.act(.remove(folder: Self.prefix + log, name))
        try machine.act(.syncNames(Self.prefix + log))
    }

    func rename(_ log: String, to other: String) throws(VolumeError) {
        try machine.act(.renameFolder(Self.prefix + log, Self.prefix + other))
    }

    func removeFolder(_ log: String) throws(VolumeError) { try machine.act(.removeFolder(Self.prefix + log)) }
}
