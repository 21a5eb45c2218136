// Enters: what the kernel tells of the repository's folders (inotify(7)). Leaves: which models somebody changed.
internal import Glibc

/// Hears what changes in a repository. It is a hint and no more: of what other machines write to a network file system the
/// kernel tells nothing, so that whoever listens looks now and then all the same. Belongs to one thread.
public final class RepositoryWatch {
    private let descriptor: Descriptor
    private var places: [CInt: Place] = [:]
    /// Files that were written to and not closed since.
    private var beingWritten: Set<File> = []
    /// The kernel has no more watches to give: some folders are only looked at.
    public private(set) var isPartial = false

    /// What somebody did in the repository.
    public struct Change: Hashable, Sendable {
        public let model: String
        /// `nil`: to the model's folder.
        public let version: Int64?
        /// Who wrote has closed the file, or it was moved here.
        public let isEnd: Bool

        public init(model: String, version: Int64?, isEnd: Bool) {
            self.model = model
            self.version = version
            self.isEnd = isEnd
        }
    }

    private enum Place: Equatable {
        case root
        case model(String)
        case version(String, Int64)
    }

    private struct File: Hashable {
        let folder: CInt
        let name: String
    }

    private static let events = UInt32(
        IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | CInt(IN_ONLYDIR))

    /// Errors: `system`, where the kernel gives no descriptor for it.
    public init() throws(RepositoryError) {
        let made = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
        guard made >= 0 else { throw .system(path: ".", code: errno) }
        descriptor = Descriptor(adopting: made)
    }

    /// What was not listened to before.
    public struct Newcomers {
        /// Any folder. What changed in it between the scan that found it and this call was not heard: scan again.
        public var isAny = false
        /// Models: how a version came that is there already was not heard.
        public var models: Set<String> = []
    }

    /// From now on these are listened to: the repository's folder, the models' and the versions'.
    public func cover(_ repository: Repository, _ models: [ModelFolder]) -> Newcomers {
        isPartial = false
        var new = Newcomers(isAny: add(repository.given, .root))
        let root = repository.root
        if add(root.folder, .root) { new.isAny = true }
        for model in models {
            guard let folder = try? root.folder.folder(model.name) else { continue }
            if add(folder, .model(model.name)) { new.models.insert(model.name) }
            for version in model.versions {
                guard let folder = try? root.folder.folder(model.name, "\(version)") else { continue }
                if add(folder, .version(model.name, version)) { new.isAny = true }
            }
        }
        if !new.models.isEmpty { new.isAny = true }
        return new
    }

    private func add(_ folder: borrowing Folder, _ place: Place) -> Bool {
        // The open folder itself, whatever its name is now.
        let number = unsafe inotify_add_watch(descriptor.rawValue, "/proc/self/fd/\(folder.rawValue)", Self.events)
        guard number >= 0 else {
            if errno == ENOSPC { isPartial = true }
            return false
        }
        return places.updateValue(place, forKey: number) == nil
    }

    /// Waits until something is told, at most so long.
    public func wait(nanoseconds: Int64) -> Set<Change> {
        var waiting = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&waiting, 1, CInt(clamping: nanoseconds / 1_000_000 + 1))
        var changes: Set<Change> = []
        while readOnce(into: &changes) {}
        return changes
    }

    /// Somebody is in the middle of writing one of its files.
    public func isBeingWritten(model: String, version: Int64) -> Bool {
        beingWritten.contains { places[$0.folder] == .version(model, version) }
    }

    private func readOnce(into changes: inout Set<Change>) -> Bool {
        // struct inotify_event: int wd; uint32_t mask, cookie, len; char name[len].
        let headBytes = 16
        var room = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe room.withUnsafeMutableBytes { unsafe read(descriptor.rawValue, $0.baseAddress!, $0.count) }
        guard count > 0 else { return false }
        var start = 0
        while start + headBytes <= count {
            func word(_ index: Int) -> UInt32 {
                (0..<4).reduce(0) { $0 | UInt32(room[start + 4 * index + $1]) << (8 * UInt32($1)) }
            }
            let end = start + headBytes + Int(word(3))
            guard end <= count else { break }
            let name = String(decoding: room[start + headBytes..<end].prefix { $0 != 0 }, as: UTF8.self)
            note(CInt(bitPattern: word(0)), word(1), name, &changes)
            start = end
        }
        return true
    }

    private func note(_ number: CInt, _ mask: UInt32, _ name: String, _ changes: inout Set<Change>) {
        func has(_ events: CInt) -> Bool { CInt(bitPattern: mask) & events != 0 }
        if has(IN_IGNORED) {
            places[number] = nil
            beingWritten = beingWritten.filter { $0.folder != number }
            return
        }
        switch places[number] {
        case .root: changes.insert(Change(model: name, version: nil, isEnd: has(IN_MOVED_TO)))
        case .model(let model):
            let version = Layout.version(name)
            changes.insert(Change(model: model, version: version, isEnd: version != nil && has(IN_MOVED_TO)))
        case .version(let model, let version):
            changes.insert(Change(model: model, version: version, isEnd: has(IN_CLOSE_WRITE | IN_MOVED_TO)))
            let file = File(folder: number, name: name)
            if has(IN_MODIFY) {
                beingWritten.insert(file)
            } else if has(IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM) {
                beingWritten.remove(file)
            }
        case nil: break
        }
    }
}
