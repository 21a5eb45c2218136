// Enters: a version's folder, and what its maker says of it. Leaves: a manifest.json in it, written last and at once.
import ArgumentParser
import Control
import Cryptography
import Foundation
import Repository
import Tensors

struct ManifestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manifest", abstract: "Write a version's manifest.json: what is in it, and where it comes from.",
        discussion: """
            To be run when all other files of the version are in place. It names each with its size and its SHA-256; a server \
            with --repository-mode watch takes the version at once, and every server refuses a model.onnx that is another. \
            "vencejo compare" shows two of them side by side. Where there is a manifest already, as of a version that was \
            imported, what is not given here stays as it says.

            Examples:
              vencejo manifest models/iris/7
              vencejo manifest models/iris/7 --parent iris/6 --metric auc=0.931 --tag data=october
            """)

    @Argument(help: ArgumentHelp("The version's folder.", valueName: "folder")) var folder: String
    @Option(help: ArgumentHelp("Who made it. Default: who the manifest says, else you.", valueName: "name"))
    var author: String?
    @Option(help: ArgumentHelp("Why it was made.", valueName: "text")) var reason: String?
    @Option(help: ArgumentHelp("What it was made from.", valueName: "text")) var parent: String?
    @Option(help: ArgumentHelp("A number measured on it; may be given several times.", valueName: "name=number"))
    var metric: [String] = []
    @Option(help: ArgumentHelp("Anything else to know; may be given several times.", valueName: "name=text"))
    var tag: [String] = []

    func run() throws {
        var manifest = Manifest(files: try files())
        let file = KeptFile(path: "\(folder)/\(Manifest.fileName)", permissions: 0o644)
        let before = try before(file)
        // Other files are another version of it.
        let isSame = before?.files == manifest.files
        manifest.created = (isSame ? before?.created : nil) ?? Date.now.formatted(.iso8601)
        manifest.author = author ?? before?.author ?? NSUserName()
        manifest.reason = reason ?? before?.reason
        manifest.parent = parent ?? before?.parent
        var metrics = try Self.pairs(metric, "--metric", "name=number, as auc=0.93") { Double($0) }
        // JSON has no other numbers.
        if let (name, value) = metrics.first(where: { !$0.value.isFinite }) {
            throw Failure.usage("--metric \(quoted(name)): \(value) is not allowed; allowed are finite numbers")
        }
        metrics.merge(before?.metrics ?? [:]) { given, _ in given }
        manifest.metrics = metrics.isEmpty ? nil : metrics
        var tags = try Self.pairs(tag, "--tag", "name=text, as data=october") { $0 }
        tags.merge(before?.tags ?? [:]) { given, _ in given }
        manifest.tags = tags.isEmpty ? nil : tags
        do throws(RepositoryError) { try file.write(manifest.encoded) } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
        print("\(file.path): \(manifest.files.count == 1 ? "1 file" : "\(manifest.files.count) files")")
    }

    /// What its manifest says now; `nil`: there is none, or one that says nothing and is written anew.
    private func before(_ file: KeptFile) throws(Failure) -> Manifest? {
        let bytes: [UInt8]?
        do throws(RepositoryError) { bytes = try file.read() } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
        guard let bytes else { return nil }
        do throws(ManifestError) { return try Manifest(bytes, path: file.path) } catch { return nil }
    }

    private func files() throws(Failure) -> [Manifest.File] {
        let found: [FileFacts]
        do throws(RepositoryError) { found = try Repository.files(in: folder) } catch {
            throw .usage("\(quoted(folder)): \(error.description)")
        }
        guard found.contains(where: { $0.name.hasSuffix(".onnx") }) else {
            throw .usage("\(quoted(folder)) holds no model.onnx: give the folder of a version, as models/iris/7")
        }
        return found.map { Manifest.File(name: $0.name, bytes: $0.bytes, sha256: $0.digest.hex) }
    }

    private static func pairs<Value>(
        _ texts: [String], _ flag: String, _ form: String, _ read: (String) -> Value?
    ) throws(Failure) -> [String: Value] {
        var pairs: [String: Value] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, let value = read(parts[1]) else {
                throw .usage("\(flag) \(quoted(text)): expected is \(form)")
            }
            guard pairs.updateValue(value, forKey: parts[0]) == nil else {
                throw .usage("\(flag) \(quoted(parts[0])) is given more than once")
            }
        }
        return pairs
    }
}
