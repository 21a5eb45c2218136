// Enters: what an agent does to its volume. Leaves: folders in memory, which forget what was not synced.
import Audit
import Memory

@testable import AuditAgent

/// An audit folder in memory. After a crash nothing is written any more, and `restarted` is what the next life finds.
final class ModelDisk: AuditFolders {
    final class File {
        var synced: [UInt8]
        var rest: [UInt8] = []

        init(_ synced: [UInt8]) { self.synced = synced }
    }

    struct Crash {
        /// Before or behind the operation with this number.
        let operation: Int
        let isBehind: Bool
    }

    fileprivate(set) var operations = 0
    private(set) var isCrashed = false
    var crash: Crash?
    /// All operations fail, for as long as it is set.
    var error: VolumeError?
    /// What is said to be synced is not.
    var isSabotaged = false
    fileprivate var folders: [String: (names: [String: File], durable: [String: File])] = [:]
    private var durableFolders: Set<String> = []

    var isSynced: Bool { folders.values.allSatisfy { $0.names.values.allSatisfy(\.rest.isEmpty) } }

    /// Of one log, all that was written.
    func log(_ folder: String) -> LogFiles {
        let files = (folders[folder]?.names ?? [:]).mapValues { $0.synced + $0.rest }
        return LogFiles(name: folder, names: files.keys.sorted()) { (name, bytesMax) throws(UnreadableFile) in
            OwnedBytes(Array((files[name] ?? []).prefix(bytesMax)))
        }
    }

    var logs: [String] { folders.keys.sorted() }

    /// - Parameter isPowerCut: of what was not synced nothing is left; else the machine goes on, and all of it is.
    func restarted(isPowerCut: Bool) -> ModelDisk {
        let disk = ModelDisk()
        for (folder, content) in folders where !isPowerCut || durableFolders.contains(folder) {
            let names = isPowerCut ? content.durable : content.names
            let files = names.mapValues { File($0.synced + (isPowerCut ? [] : $0.rest)) }
            disk.folders[folder] = (files, files)
            disk.durableFolders.insert(folder)
        }
        return disk
    }

    fileprivate func act(_ body: () -> Void) throws(VolumeError) {
        if let error { throw error }
        if let crash, crash.operation == operations, !isCrashed {
            isCrashed = true
            if crash.isBehind { body() }
        } else if !isCrashed {
            body()
        }
        if isCrashed { throw VolumeError(sentence: "the agent is dead") }
        operations += 1
    }

    func names() throws(VolumeError) -> [String] { folders.keys.sorted() + ["agent.sock"] }

    func open(_ name: String) throws(VolumeError) -> ModelVolume { ModelVolume(self, name) }

    func make(_ name: String) throws(VolumeError) -> ModelVolume {
        try act {
            folders[name] = ([:], [:])
            durableFolders.insert(name)
        }
        return ModelVolume(self, name)
    }
}

/// One folder of it.
final class ModelVolume: AuditVolume {
    private let disk: ModelDisk
    private let folder: String
    private var file = ModelDisk.File([])

    init(_ disk: ModelDisk, _ folder: String) {
        self.disk = disk
        self.folder = folder
    }

    func names() throws(VolumeError) -> [String] {
        if let error = disk.error { throw error }
        return (disk.folders[folder]?.names ?? [:]).keys.sorted()
    }

    func read(_ name: String) throws(VolumeError) -> OwnedBytes {
        guard let file = disk.folders[folder]?.names[name] else { throw VolumeError(sentence: "no \(name)") }
        return OwnedBytes(file.synced + file.rest)
    }

    func create(_ name: String) throws(VolumeError) {
        try disk.act {
            file = ModelDisk.File([])
            disk.folders[folder]?.names[name] = file
        }
    }

    func write(_ bytes: [UInt8]) throws(VolumeError) { try disk.act { file.rest += bytes } }

    func sync() throws(VolumeError) { try sync(file) }

    func sync(_ name: String) throws(VolumeError) {
        guard let file = disk.folders[folder]?.names[name] else { throw VolumeError(sentence: "no \(name)") }
        try sync(file)
    }

    private func sync(_ file: ModelDisk.File) throws(VolumeError) {
        try disk.act {
            guard !disk.isSabotaged else { return }
            file.synced += file.rest
            file.rest = []
        }
    }

    func syncNames() throws(VolumeError) {
        try disk.act {
            let names = disk.folders[folder]?.names ?? [:]
            disk.folders[folder]?.durable = names
        }
    }

    func rename(_ name: String, to other: String) throws(VolumeError) {
        try disk.act {
            let file = disk.folders[folder]?.names[name]
            disk.folders[folder]?.names[other] = file
            disk.folders[folder]?.names[name] = nil
        }
    }

    func remove(_ name: String) throws(VolumeError) {
        try disk.act { disk.folders[folder]?.names[name] = nil }
    }
}
