// Enters: a ring's folder. Leaves: the names in it, the bytes of small files, and stamps that tell a change.
internal import Glibc

/// A ring's folder, opened once: all is read through its descriptor, whatever its path leads to meanwhile.
///
/// Where `..data` is a link the folder is a volume as Kubernetes makes it: the files lie in the folder that `..data` leads
/// to, and each `NAME` is a link to `..data/NAME`. That folder is opened once, too, so that a swap meanwhile does not mix
/// two states of the ring.
struct RingFolder: ~Copyable {
    let path: String
    /// Where `..data` leads; `nil`: the files lie in the folder itself.
    let dataTarget: String?
    let root: Descriptor
    private let data: Descriptor?

    private static let folderFlags = O_RDONLY | O_CLOEXEC | O_DIRECTORY
    private static let dataLink = "..data"
    /// The keys, `keyring.json`, and room for what is to be refused by name.
    private static let filesMax = KeyringDocument.keysMax + 64

    /// Errors: `folder`, `system`, `permissions`, `kind`.
    init(path: String) throws(KeyringError) {
        let opened = unsafe open(path, Self.folderFlags)
        guard opened >= 0 else { throw .folder(path, errno) }
        let root = Descriptor(adopting: opened)
        try Self.checkFolder(root, path)
        if let target = Self.target(of: Self.dataLink, in: root.rawValue) {
            let data = try Self.openData(target, in: root, path)
            try Self.checkFolder(data, "\(path)/\(target)")
            self.data = consume data
            dataTarget = target
        } else {
            data = nil
            dataTarget = nil
        }
        self.root = root
        self.path = path
    }

    private static func openData(
        _ target: String, in root: borrowing Descriptor, _ path: String
    ) throws(KeyringError) -> Descriptor {
        guard !target.utf8.contains(UInt8(ascii: "/")), target != ".", target != ".." else {
            throw .dataLink(path, target)
        }
        let opened = unsafe openat(root.rawValue, target, folderFlags | O_NOFOLLOW)
        guard opened >= 0 else {
            let code = errno
            throw code == ENOTDIR || code == ELOOP ? .dataLink(path, target) : .system("\(path)/\(target)", code)
        }
        return Descriptor(adopting: opened)
    }

    /// In a folder with the sticky bit others can put files beside ours, which a load refuses, and not replace ours.
    /// (Kubernetes' memory volumes have mode 1777.)
    private static func checkFolder(_ folder: borrowing Descriptor, _ path: String) throws(KeyringError) {
        var status = stat()
        guard unsafe fstat(folder.rawValue, &status) == 0 else { throw .system(path, errno) }
        let isOpen = status.st_mode & (S_IWGRP | S_IWOTH) != 0 && status.st_mode & S_ISVTX == 0
        if isOpen { throw .folderIsWritable(path, status.st_mode) }
    }

    /// The descriptor of the folder in which the files are.
    private var files: CInt {
        switch data {
        case .some(let data): data.rawValue
        case .none: root.rawValue
        }
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// The files' names, ascending; those that begin with a dot are no part of the ring. Errors: `kind`, `large`, `system`.
    func names() throws(KeyringError) -> [String] {
        guard dataTarget != nil else { return try Self.names(in: root.rawValue, path) }
        for name in try Self.names(in: root.rawValue, path) {
            guard let target = Self.target(of: name, in: root.rawValue) else { throw .notMounted(self.path(of: name)) }
            guard target == "\(Self.dataLink)/\(name)" else { throw .link(self.path(of: name), target) }
        }
        return try Self.names(in: files, path)
    }

    private static func names(in folder: CInt, _ path: String) throws(KeyringError) -> [String] {
        // A descriptor of its own, for its position is not shared with another scan.
        let own = unsafe openat(folder, ".", folderFlags)
        guard own >= 0 else { throw .system(path, errno) }
        guard let stream = unsafe fdopendir(own) else {
            let code = errno
            close(own)
            throw .system(path, code)
        }
        defer { unsafe closedir(stream) }
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { preconditionFailure("d_name is stored") }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            // The name is as long as the entry says, which may be less than the array in the struct.
            let text = unsafe (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
            let name = unsafe String(cString: text)
            if name.utf8.first == UInt8(ascii: ".") { continue }
            guard names.count < filesMax else { throw .tooManyFiles(path, filesMax) }
            names.append(name)
        }
        guard errno == 0 else { throw .system(path, errno) }
        return names.sorted()
    }

    /// Where the link leads, as it is written; `nil`: there is no link of this name.
    private static func target(of name: String, in folder: CInt) -> String? {
        var room = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe room.withUnsafeMutableBytes { room in
            unsafe readlinkat(folder, name, room.baseAddress.unsafelyUnwrapped, room.count)
        }
        return count < 0 ? nil : String(decoding: room.prefix(count), as: UTF8.self)
    }

    private func status(of name: String) throws(KeyringError) -> stat {
        var status = stat()
        guard unsafe fstatat(files, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            let code = errno
            // It was in the list of names.
            throw code == ENOENT ? .changed(path(of: name)) : .system(path(of: name), code)
        }
        return status
    }

    /// The bytes of a file that only its owner can read and write, or its group can read where that is allowed.
    /// Errors: `kind`, `permissions`, `groupReadable`, `large`, `changed`, `system`.
    func read(_ name: String, bytesMax: Int, mayBeGroupReadable: Bool) throws(KeyringError) -> [UInt8] {
        // A look first, for the right sentence and to leave pipes and devices alone; O_NOFOLLOW is what decides.
        try check(kindOf: try status(of: name), name)
        let opened = unsafe openat(files, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard opened >= 0 else {
            let code = errno
            throw code == ELOOP || code == ENOENT ? .changed(path(of: name)) : .system(path(of: name), code)
        }
        let file = Descriptor(adopting: opened)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else {
            let code = errno
            throw .system(path(of: name), code)
        }
        try check(kindOf: status, name)
        let mode = status.st_mode
        if mode & (S_IROTH | S_IWOTH | S_IWGRP) != 0 { throw .permissions(path(of: name), mode) }
        if mode & S_IRGRP != 0 && !mayBeGroupReadable { throw .groupReadable(path(of: name), mode) }
        return try file.readAll(bytes: Int(status.st_size), bytesMax: bytesMax, path: path(of: name))
    }

    /// A file that the operator named, of any mode: its bytes. Errors: `kind`, `large`, `changed`, `system`.
    static func readFile(_ path: String, bytesMax: Int) throws(KeyringError) -> [UInt8] {
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard opened >= 0 else { throw .system(path, errno) }
        let file = Descriptor(adopting: opened)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw .system(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path) }
        return try file.readAll(bytes: Int(status.st_size), bytesMax: bytesMax, path: path)
    }

    private func check(kindOf status: stat, _ name: String) throws(KeyringError) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFLNK: throw .link(path(of: name), Self.target(of: name, in: files) ?? "")
        case S_IFDIR: throw .kind(path(of: name), "a folder")
        case S_IFIFO: throw .kind(path(of: name), "a named pipe")
        case S_IFSOCK: throw .kind(path(of: name), "a socket")
        default: throw .kind(path(of: name), "a device")
        }
    }

    /// Errors: those of `names`, `changed`.
    func stamp() throws(KeyringError) -> KeyringStamp {
        var files: [KeyringStamp.File] = []
        for name in try names() { files.append(KeyringStamp.File(name, try status(of: name))) }
        return KeyringStamp(dataTarget: dataTarget, files: files)
    }

    /// User, group and mode of `keyring.json`: new files get the same. Errors: `changed`, `system`.
    func ownership() throws(KeyringError) -> Ownership {
        let status = try status(of: KeyringDocument.fileName)
        return Ownership(
            user: status.st_uid, group: status.st_gid, mode: status.st_mode & (S_IRUSR | S_IWUSR | S_IRGRP))
    }
}

/// Of a file.
struct Ownership: Equatable {
    let user: UInt32
    let group: UInt32
    let mode: UInt32
}

/// What a ring's folder looked like. Two equal stamps: nothing was changed between them.
public struct KeyringStamp: Equatable, Sendable {
    struct File: Equatable, Sendable {
        let name: String
        let inode: UInt
        let bytes: Int
        let mode: UInt32
        /// Seconds and nanoseconds of the last change of the bytes, then of the owner, the mode or the name.
        let times: [Int]

        init(_ name: String, _ status: stat) {
            self.name = name
            inode = UInt(status.st_ino)
            bytes = Int(status.st_size)
            mode = status.st_mode
            times = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
        }
    }

    /// Where `..data` leads, in a volume of Kubernetes.
    let dataTarget: String?
    let files: [File]
}
