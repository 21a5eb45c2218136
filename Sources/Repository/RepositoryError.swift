// Enters: what went wrong with which file. Leaves: one sentence for the operator.
internal import Glibc

/// Why the repository, a model's folder or a file in it cannot be used. `path` is relative to the repository, except in
/// the cases about the repository itself.
public enum RepositoryError: Error, Equatable {
    /// The repository itself cannot be opened; `code` is an `errno`.
    case root(path: String, code: CInt)
    case rootIsFile(path: String)
    /// `..data`, which Kubernetes makes, leads out of the repository.
    case dataLink(path: String, target: String)
    case modelName(String)
    case version(model: String, version: Int64)
    /// A folder that was probably meant to be a version.
    case noVersionName(path: String)
    case noVersion(model: String)
    /// A `model.yaml` and a `config.pbtxt`: nobody guesses which of them is meant.
    case twoConfigurations(model: String)
    case versionExists(model: String, version: Int64)
    /// What lies in the file speaks against it.
    case refused(path: String, reason: String)
    case missing(path: String)
    case symbolicLink(path: String)
    /// Something else than what the layout wants at this place: a folder, a pipe, a device.
    case kind(path: String, found: EntryKind, wanted: EntryKind)
    case hardLinks(path: String, count: Int)
    case empty(path: String)
    case tooLarge(path: String, bytes: Int, bytesMax: Int)
    case tooManyEntries(path: String, entriesMax: Int)
    case changed(path: String)
    /// A file beside golden ones that is none.
    case goldenName(path: String)
    case noMemory(path: String, bytes: Int)
    /// The system refused for another reason; `code` is an `errno`.
    case system(path: String, code: CInt)
    /// The same, of a file of our own.
    case notWritten(path: String, code: CInt)
    /// A version that is to go.
    case notRemoved(path: String, code: CInt)
}

/// What lies at a place in the repository.
public enum EntryKind: Sendable, Equatable {
    case file, folder, symbolicLink, pipe, socket, device

    var words: String {
        switch self {
        case .file: "a regular file"
        case .folder: "a folder"
        case .symbolicLink: "a symbolic link"
        case .pipe: "a named pipe"
        case .socket: "a socket"
        case .device: "a device"
        }
    }
}

extension RepositoryError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .root(let path, let code): "the repository '\(path)' cannot be opened: \(text(of: code))"
        case .rootIsFile(let path): "the repository '\(path)' is not a folder; give the folder that holds the models"
        case .dataLink(let path, let target):
            "'..data' in the repository '\(path)' leads to '\(Layout.printable(target))', not to a folder beside it"
        case .modelName(let name):
            "'\(Layout.printable(name))' is no name for a model: 1 to \(Layout.nameBytesMax) of A-Z a-z 0-9 . _ - are, "
                + "except '.' and '..'"
        case .version(let model, let version): "version \(version) of '\(model)' must be between 1 and \(Int64.max)"
        case .noVersionName(let path):
            "'\(Layout.printable(path))' is passed over: a version's folder must be named by a number between 1 and \(Int64.max), "
                + "without zeros in front"
        case .noVersion(let model):
            "the model '\(model)' has no version: put its file at '\(model)/1/\(Layout.modelFile)', or set 'engine: "
                + "identity' in '\(model)/\(Layout.configurationFile)'"
        case .twoConfigurations(let model):
            "'\(model)/\(Layout.configurationFile)' and '\(model)/\(Layout.tritonFile)' are both there, and one model has one "
                + "configuration: remove one of them"
        case .versionExists(let model, let version):
            "version \(version) of '\(model)' is in the repository already: choose another number, or none"
        case .refused(let path, let reason): "'\(path)': \(reason)"
        case .missing(let path): "'\(path)' does not exist in the repository"
        case .symbolicLink(let path):
            "'\(path)' is or passes a symbolic link, which are not followed inside the repository; put the file itself "
                + "there"
        case .kind(let path, let found, let wanted): "'\(path)' is \(found.words), not \(wanted.words)"
        case .hardLinks(let path, let count):
            "'\(path)' has \(count) hard links, at most 1 is allowed; copy the file instead of linking it"
        case .empty(let path): "'\(path)' is empty"
        case .tooLarge(let path, let bytes, let bytesMax):
            "'\(path)' has \(bytes) bytes, at most \(bytesMax) are allowed"
        case .tooManyEntries(let path, let entriesMax):
            "the folder '\(path)' has more than \(entriesMax) entries, which is the limit"
        case .changed(let path): "'\(path)' changed while it was read; write it beside and rename it into place"
        case .goldenName(let path):
            "'\(Layout.printable(path))' is named neither input.<tensor>.npy nor output.<tensor>.npy"
        case .noMemory(let path, let bytes): "no memory for the \(bytes) bytes of '\(path)'"
        case .system(let path, let code): "'\(path)' cannot be read: \(text(of: code))"
        case .notWritten(let path, let code): "'\(path)' cannot be written: \(text(of: code))"
        case .notRemoved(let path, let code): "'\(path)' cannot be removed: \(text(of: code))"
        }
    }
}

/// What the system calls an `errno`. (strerror(3) is safe to call from threads since glibc 2.32.)
private func text(of code: CInt) -> String { unsafe String(cString: strerror(code)) }
