// Enters: a version's folder. Leaves: what its owner laid beside the model to check it by, and whether the file changed.
internal import Glibc
internal import Memory

/// One example of a version: `<model>/<version>/golden/<case>/input.<tensor>.npy` and `output.<tensor>.npy`.
public struct GoldenFiles: Sendable {
    public struct File: Sendable {
        public let isInput: Bool
        public let tensor: String
        /// As `numpy.save` writes it.
        public let bytes: [UInt8]
    }

    public let name: String
    public let files: [File]
}

/// What tells one state of a file from another without reading it.
public struct FileStamp: Sendable, Equatable, Codable {
    let bytes: Int64
    let inode: UInt64
    let seconds: Int64
    let nanoseconds: Int64
}

extension Repository {
    static let goldenFolder = "golden"

    /// The examples of a version, by name; none where there is no folder `golden`.
    ///
    /// Errors: all of `RepositoryError` that name a file; `goldenName`.
    public func golden(model: String, version: Int64) throws(RepositoryError) -> [GoldenFiles] {
        guard Layout.isModelName(model) else { throw .modelName(model) }
        let place = [model, String(version), Self.goldenFolder]
        let full = place.joined(separator: "/")
        let folder: Folder
        do throws(RepositoryError) {
            folder = Folder(try root.folder.open(place, as: .folder), resolution: .stepwise)
        } catch {
            if case .missing = error { return [] }
            throw error
        }
        var cases: [GoldenFiles] = []
        var bytesLeft = limits.goldenBytesMax
        for name in try folder.names(entriesMax: limits.entriesMax, full: full) where !Layout.isIgnored(name) {
            let found = try folder.kind(of: name, full: "\(full)/\(name)")
            guard found == .folder else {
                throw .kind(path: "\(full)/\(name)", found: found, wanted: .folder)
            }
            var files: [GoldenFiles.File] = []
            let own = Folder(try root.folder.open(place + [name], as: .folder), resolution: .stepwise)
            for file in try own.names(entriesMax: limits.entriesMax, full: "\(full)/\(name)") {
                let path = "\(full)/\(name)/\(file)"
                guard let (isInput, tensor) = Self.tensor(file) else { throw .goldenName(path: path) }
                let bytes = try ModelFile(
                    reading: root.folder.open(place + [name, file], as: .file), path: path, bytesMax: bytesLeft
                ).withBytes { $0.array }
                bytesLeft -= bytes.count
                files.append(GoldenFiles.File(isInput: isInput, tensor: tensor, bytes: bytes))
            }
            cases.append(GoldenFiles(name: name, files: files))
        }
        return cases
    }

    /// `input.x.npy` is the input x. What a file's name cannot hold is written `%2F`.
    static func tensor(_ file: String) -> (isInput: Bool, name: String)? {
        let isInput = file.hasPrefix("input.")
        guard isInput || file.hasPrefix("output."), file.hasSuffix(".npy") else { return nil }
        let name = Array(file.utf8.dropFirst(isInput ? 6 : 7).dropLast(4))
        guard !name.isEmpty else { return nil }
        var bytes: [UInt8] = []
        var index = 0
        while index < name.count {
            if name[index] == UInt8(ascii: "%"), index + 2 < name.count,
                let byte = UInt8(String(decoding: name[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(name[index])
                index += 1
            }
        }
        return (isInput, String(decoding: bytes, as: UTF8.self))
    }

    /// `name`: of the model's file; `nil`: the usual one. - Returns: `nil`: there is no file, or none that may be looked at.
    public func fileStamp(model: String, version: Int64, file name: String? = nil) -> FileStamp? {
        guard Layout.isModelName(model) else { return nil }
        // A file that has another name changes its folder when it is replaced.
        let place = [model, String(version)]
        guard
            let file = (try? root.folder.open(place + [name ?? Layout.modelFile], as: .file))
                ?? (try? root.folder.open(place, as: .folder))
        else { return nil }
        var info = stat()
        guard unsafe fstat(file.rawValue, &info) == 0 else { return nil }
        return FileStamp(
            bytes: Int64(info.st_size), inode: UInt64(info.st_ino), seconds: Int64(info.st_mtim.tv_sec),
            nanoseconds: Int64(info.st_mtim.tv_nsec))
    }

    /// Lends the repository's own descriptor, for a process of ours that is to read the same folder.
    public func withDescriptor<Result, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // `..data` may be swapped meanwhile: the folder stays open until then.
        let root = root
        return try withExtendedLifetime(root) { () throws(Failure) in try body(root.folder.rawValue) }
    }
}
