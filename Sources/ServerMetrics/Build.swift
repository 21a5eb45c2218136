// Enters: what the build was told. Leaves: its name.
import CRevision

/// Which build this is.
public enum Build {
    /// The commit, as git describes it: 12 hexadecimal digits, then `-dirty` where files had changed since. Empty: nobody said,
    /// which only `make build` and `make build-agents` do.
    public static let revision = unsafe String(cString: revision_text())

    /// `version`, and after a plus sign the revision.
    ///
    /// Source: Semantic Versioning 2.0.0, section 10.
    public static func name(_ version: String) -> String { revision.isEmpty ? version : "\(version)+\(revision)" }

    /// What `name` put together.
    static func parts(_ name: String) -> (version: String, revision: String) {
        guard let plus = name.firstIndex(of: "+") else { return (name, "") }
        return (String(name[..<plus]), String(name[name.index(after: plus)...]))
    }
}
