// Enters: what a test wants to lie in a repository. Leaves: a folder that goes when the test ends.
import Foundation
import Glibc

/// A temporary folder with a `repository` in it, and room beside the repository for what must not be reached.
struct Place: Sendable {
    let outside: String
    var root: String { outside + "/repository" }

    init() {
        var template = Array((NSTemporaryDirectory() + "vencejo-repository-XXXXXX").utf8CString)
        unsafe outside = String(cString: mkdtemp(&template))
        folder("")
    }

    /// Every test does this when it ends.
    func remove() { try? FileManager.default.removeItem(atPath: outside) }

    func folder(_ path: String) {
        try! FileManager.default.createDirectory(atPath: "\(root)/\(path)", withIntermediateDirectories: true)
    }

    /// A file, and the folders that it lies in.
    func file(_ path: String, _ content: String = "onnx") {
        folder(path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        try! Data(content.utf8).write(to: URL(fileURLWithPath: "\(root)/\(path)"))
    }

    func link(_ path: String, to target: String) {
        folder(path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        precondition(unsafe symlink(target, "\(root)/\(path)") == 0)
    }

    func hardLink(_ path: String, to target: String) {
        folder(path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        precondition(unsafe Glibc.link("\(root)/\(target)", "\(root)/\(path)") == 0)
    }

    func pipe(_ path: String) {
        folder(path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        precondition(unsafe mkfifo("\(root)/\(path)", 0o600) == 0)
    }

    func socket(_ path: String) {
        folder(path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        precondition(unsafe mknod("\(root)/\(path)", S_IFSOCK | 0o600, 0) == 0)
    }
}
