// Enters: a path beneath a folder. Leaves: descriptors of what lies there, never of what lies elsewhere.
internal import CFiles
internal import Glibc

/// How a path is kept beneath its folder.
enum Resolution: Sendable, CaseIterable {
    /// openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS: Linux 5.6 and later. Where it
    /// refuses, or is not there, the other way is gone: it is as safe, and knows which part of the path was at fault.
    case kernel
    /// One name after the other with O_NOFOLLOW.
    case stepwise
}

/// A folder and all beneath it. Paths are relative, of plain names.
struct Folder: ~Copyable {
    let descriptor: Descriptor
    private let resolution: Resolution
    private static let folderFlags = O_RDONLY | O_CLOEXEC | O_DIRECTORY

    init(_ descriptor: consuming Descriptor, resolution: Resolution) {
        self.descriptor = descriptor
        self.resolution = resolution
    }

    var rawValue: CInt { descriptor.rawValue }

    /// Opens for reading; a pipe or a device does not make it wait. What was opened may still be something else than
    /// `wanted`. Errors: `missing`, `symbolicLink`, `kind`, `changed`, `system`.
    func open(_ path: [String], as wanted: EntryKind) throws(RepositoryError) -> Descriptor {
        precondition(path.allSatisfy { !$0.utf8.contains(UInt8(ascii: "/")) && $0 != ".." }, "a path of plain names")
        let flags = wanted == .folder ? Self.folderFlags : O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        // EAGAIN: a rename elsewhere met the walk.
        for _ in 0..<100 where resolution == .kernel {
            let result = unsafe files_openat2(
                descriptor.rawValue, path.joined(separator: "/"), UInt64(flags), files_resolve_beneath)
            if result >= 0 { return Descriptor(adopting: result) }
            if errno != EAGAIN && errno != EINTR { break }
        }
        var parent = try openOne(descriptor.rawValue, ".", Self.folderFlags, as: .folder, full: ".")
        for (depth, name) in path.enumerated() {
            let last = depth == path.count - 1
            parent = try openOne(
                parent.rawValue, name, last ? flags : Self.folderFlags, as: last ? wanted : .folder,
                full: path.prefix(depth + 1).joined(separator: "/"))
        }
        return parent
    }

    private func openOne(
        _ parent: CInt, _ name: String, _ flags: CInt, as wanted: EntryKind, full: String
    ) throws(RepositoryError) -> Descriptor {
        // A look first, for the right sentence and to leave pipes and devices alone; O_NOFOLLOW is what decides.
        let found = try kind(of: name, in: parent, full: full)
        guard found == wanted else {
            throw found == .symbolicLink ? .symbolicLink(path: full) : .kind(path: full, found: found, wanted: wanted)
        }
        while true {
            let result = unsafe openat(parent, name, flags | O_NOFOLLOW)
            if result >= 0 { return Descriptor(adopting: result) }
            let code = errno
            if code != EINTR { throw error(code, path: full) }
        }
    }

    private func error(_ code: CInt, path: String) -> RepositoryError {
        switch code {
        case ENOENT: .missing(path: path)
        case ELOOP, ENOTDIR: .changed(path: path)
        default: .system(path: path, code: code)
        }
    }

    /// What lies at `name`, itself and not what it leads to. `full`: what errors call it.
    func kind(of name: String, full: String) throws(RepositoryError) -> EntryKind {
        try kind(of: name, in: descriptor.rawValue, full: full)
    }

    private func kind(of name: String, in parent: CInt, full: String) throws(RepositoryError) -> EntryKind {
        var info = stat()
        guard unsafe fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 else { throw error(errno, path: full) }
        return EntryKind(mode: info.st_mode)
    }

    /// Of `name` itself and not of what it leads to; `nil`: it is not there.
    func status(of name: String, full: String) throws(RepositoryError) -> stat? {
        var info = stat()
        if unsafe fstatat(descriptor.rawValue, name, &info, AT_SYMLINK_NOFOLLOW) == 0 { return info }
        guard errno == ENOENT else { throw error(errno, path: full) }
        return nil
    }

    /// Where the link `name` leads, as it is written; `nil`: there is none.
    func target(of name: String) -> String? {
        var room = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe room.withUnsafeMutableBytes { room in
            unsafe readlinkat(descriptor.rawValue, name, room.baseAddress.unsafelyUnwrapped, room.count)
        }
        return count < 0 ? nil : String(decoding: room.prefix(count), as: UTF8.self)
    }

    /// The names in the folder except `.` and `..`, ascending. `full`: what errors call the folder.
    func names(entriesMax: Int, full: String) throws(RepositoryError) -> [String] {
        // A descriptor of its own, for its position is not shared with another scan.
        let own = unsafe openat(descriptor.rawValue, ".", Self.folderFlags)
        guard own >= 0 else { throw .system(path: full, code: errno) }
        guard let stream = unsafe fdopendir(own) else {
            let code = errno
            close(own)
            throw .system(path: full, code: code)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe String(cString: files_entry_name(entry))
            if name == "." || name == ".." { continue }
            guard names.count < entriesMax else { throw .tooManyEntries(path: full, entriesMax: entriesMax) }
            names.append(name)
        }
        guard errno == 0 else { throw .system(path: full, code: errno) }
        return names.sorted()
    }

    func folder(_ path: String...) throws(RepositoryError) -> Folder {
        Folder(try open(path, as: .folder), resolution: resolution)
    }
}

extension EntryKind {
    init(mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .folder
        case S_IFLNK: self = .symbolicLink
        case S_IFIFO: self = .pipe
        case S_IFSOCK: self = .socket
        default: self = .device
        }
    }
}
