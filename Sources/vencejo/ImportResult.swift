// Enters: what is imported. Leaves: what the command says of it, and the manifest that lies beside it.
import Cryptography
import Foundation
import Memory
import ONNX
import Repository
import Tensors

/// What was done.
struct Imported: Encodable {
    struct Dropped: Encodable {
        /// The output that a ZipMap made, and the tensor that is an output instead.
        let output: String
        let tensor: String
    }

    let schema = 1
    let dryRun: Bool
    let model: String
    var version: Int64 = 0
    let kind: String
    let file: String
    let bytes: Int
    let sha256: String
    /// ONNX Runtime loaded it in a process of its own.
    private(set) var tried = false
    private(set) var dropped: [Dropped] = []
    /// Of the file before something was cut off; `nil`: nothing was.
    private(set) var originalSha256: String?
    private(set) var notes: [String] = []

    init(_ staging: ImportStaging, isDryRun: Bool) {
        (dryRun, model, kind) = (isDryRun, staging.model, staging.source.kind)
        (file, bytes, sha256) = (staging.fileName, staging.bytes.count, staging.digest.hex)
        if staging.source.configuration != nil && staging.configuration == nil {
            notes.append("config.pbtxt was not copied: the model is there already, or gets another name")
        }
    }

    /// `isWanted`: without `--untried`.
    mutating func note(isTried: Bool, isWanted: Bool) {
        tried = isTried
        if isTried { return }
        notes.append(
            isWanted
                ? "it was not tried: with \"engine: identity\" no server loads its file"
                : "it was not tried: a server may refuse to load it")
    }

    /// What `--drop-zipmap` did.
    mutating func note(_ cut: ZipMapCut?, of original: Digest, isWanted: Bool) {
        guard let cut else {
            if isWanted { notes.append("it has no ZipMap: nothing was cut off") }
            return
        }
        dropped = cut.outputs.map { Dropped(output: $0.name, tensor: $0.tensor) }
        originalSha256 = original.hex
        for output in cut.outputs {
            notes.append(
                "the ZipMap of output '\(printable(output.name))' was cut off: the tensor '\(printable(output.tensor))' is an "
                    + "output instead")
        }
        notes.append("before that the sha256 was \(original.hex)")
    }

    var text: String {
        let line = "version \(version) of model '\(printable(model))', from \(kind): \(bytes) bytes, sha256 \(sha256)"
        return ([(dryRun ? "would import " : "imported ") + line] + notes + (dryRun ? ["nothing was changed"] : []))
            .joined(separator: "\n")
    }

    func manifest(_ source: ImportSource, reason: String) -> String {
        let now = Date().formatted(.iso8601)
        let file = JSON.object([
            ("name", .string(file)), ("bytes", .number(bytes)), ("sha256", .string(sha256)),
        ])
        var tags = [(key: "imported_from", value: source.kind), (key: "imported", value: now)] + source.tags
        if let originalSha256 { tags += [("dropped", "zipmap"), ("original_sha256", originalSha256)] }
        return JSON.object([
            ("schema", .number(1)), ("files", .array([file])), ("created", .string(source.created ?? now)),
            ("parent", .null), ("author", .string(NSUserName())), ("reason", .string(reason)),
            ("tags", .object(tags.map { ($0.key, .string($0.value)) })), ("metrics", .object([])),
        ]).pretty + "\n"
    }
}
