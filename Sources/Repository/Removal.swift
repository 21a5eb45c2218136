// Enters: a version that nobody needs. Leaves: a repository without it.
internal import Glibc

extension Repository {
    /// Removes a version's folder: at one moment it is there whole, at the next it is in `.trash`, where nobody serves from, and
    /// what lies there is deleted. No link is followed, and nothing outside the repository is touched: every name is one
    /// beneath a folder that is open.
    ///
    /// Errors: `notRemoved` and what else names a folder.
    public func remove(model: String, version: Int64) throws(RepositoryError) {
        guard Layout.isModelName(model), !Layout.isIgnored(model) else { throw .modelName(model) }
        guard Layout.isVersion(version) else { throw .version(model: model, version: version) }
        let path = "\(model)/\(version)"
        let root = root
        let folder = try root.folder.folder(model)
        let found = try folder.kind(of: "\(version)", full: path)
        guard found == .folder else { throw .kind(path: path, found: found, wanted: .folder) }
        let made = unsafe mkdirat(root.folder.rawValue, Layout.trash, 0o700)
        guard made == 0 || errno == EEXIST else { throw .notRemoved(path: path, code: errno) }
        let trash = try root.folder.folder(Layout.trash)
        let name = "\(model).\(version)"
        // What an earlier removal could not finish.
        if try trash.status(of: name, full: "\(Layout.trash)/\(name)") != nil {
            try Self.delete(name, in: trash, full: "\(Layout.trash)/\(name)", depth: 0)
        }
        guard unsafe renameat(folder.rawValue, "\(version)", trash.rawValue, name) == 0 else {
            throw .notRemoved(path: path, code: errno)
        }
        try Self.delete(name, in: trash, full: "\(Layout.trash)/\(name)", depth: 0)
    }

    /// A model's folder in which nothing is left.
    public func removeIfEmpty(model: String) {
        guard Layout.isModelName(model), !Layout.isIgnored(model) else { return }
        _ = unsafe unlinkat(root.folder.rawValue, model, AT_REMOVEDIR)
    }

    /// A version's folder holds files; what lies deeper than this is not ours to delete.
    private static let depthMax = 8

    static func delete(
        _ name: String, in parent: borrowing Folder, full: String, depth: Int
    ) throws(RepositoryError) {
        var flags: CInt = 0
        if try parent.kind(of: name, full: full) == .folder {
            guard depth < depthMax else { throw .notRemoved(path: full, code: ELOOP) }
            let folder = try parent.folder(name)
            for entry in try folder.names(entriesMax: .max, full: full) {
                try delete(entry, in: folder, full: "\(full)/\(entry)", depth: depth + 1)
            }
            flags = AT_REMOVEDIR
        }
        guard unsafe unlinkat(parent.rawValue, name, flags) == 0 else { throw .notRemoved(path: full, code: errno) }
    }
}
