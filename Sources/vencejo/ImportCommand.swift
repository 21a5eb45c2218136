// Enters: a model as another tool keeps it. Leaves: a version of it in a repository.
import ArgumentParser
import Cryptography
import Foundation
import Memory
import ONNX
import Repository
import Tensors
import Yams

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Copy a model into a repository, as its next version.",
        discussion: """
            PATH is a .onnx file, or a folder of MLflow (MLmodel with the flavor onnx), of MLServer (model-settings.json) or of \
            Triton and KServe (<version>/model.onnx; the highest version). The version appears whole or not at all. Beside the \
            model lies manifest.json: what is known of where it comes from, with sizes and SHA-256.

            Examples:
              vencejo import iris.onnx --repository models
              vencejo import mlruns/0/RUN/artifacts/model --repository models --name iris
              vencejo import mlruns/0/RUN/artifacts/model --repository models --name iris --dry-run -o json
            """)

    @Argument(help: "The file or folder.") var path: String
    @Option(help: "The folder that holds the models.") var repository: String
    @Option(help: ArgumentHelp("The model's name. Default: the file's or the folder's.", valueName: "model")) var name:
        String?
    @Option(help: ArgumentHelp("The version. Default: one above the highest.", valueName: "number")) var version: Int64?
    @Option(help: ArgumentHelp("Why; kept in the manifest.", valueName: "text")) var reason = ""
    @Flag(help: "Only say what would be done.") var dryRun = false
    @OptionGroup var options: OutputOptions

    func run() throws {
        let source = try ImportSource(path)
        let model = name ?? source.name
        let result: Imported
        do throws(RepositoryError) {
            let target = try Repository(path: repository)
            result = try place(source, as: model, in: target)
        } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
        switch options.output {
        case .json: print(OutputOptions.json(result))
        case .table: print(result.text)
        }
    }

    private func place(
        _ source: ImportSource, as model: String, in target: Repository
    ) throws(RepositoryError) -> Imported {
        let isNew = try target.folder(of: model) == nil
        let number = try target.nextVersion(of: model, wanted: version)
        let file = try ModelFile(path: source.file, bytesMax: target.limits.modelBytesMax)
        if let problem = file.withBytes({ problem(ofModelFile: $0) }) {
            // MLflow's default is several files.
            let hint =
                problem.isExternalData && source.kind == "mlflow"
                ? ", with mlflow.onnx.save_model(…, save_as_external_data=False)" : ""
            throw .refused(path: source.file, reason: problem.sentence + hint)
        }
        // A Triton configuration goes with the first version, if it fits the name that the model gets here.
        let goes = isNew && model == source.name
        let configuration = goes ? source.configuration : nil
        let fileName =
            configuration == nil ? "model.onnx" : URL(fileURLWithPath: source.file).lastPathComponent
        var imported = Imported(
            dryRun: dryRun, model: model, version: number, kind: source.kind, file: fileName, bytes: file.byteCount,
            sha256: file.digest.hex)
        if source.configuration != nil && configuration == nil {
            imported.notes.append("config.pbtxt was not copied: the model is there already, or gets another name")
        }
        if dryRun { return imported }
        let manifest = OwnedBytes(Array(Data(self.manifest(source, fileName, file).utf8)))
        let kept = try configuration.map { (path) throws(RepositoryError) in
            try ModelFile(path: path, bytesMax: target.limits.configurationBytesMax)
        }
        imported.version = try file.withBytes { (bytes) throws(RepositoryError) in
            let files = [NewFile(name: fileName, bytes: bytes), NewFile(name: "manifest.json", bytes: manifest.view)]
            guard let kept else { return try target.add(model: model, version: number, files: files) }
            return try kept.withBytes { (bytes) throws(RepositoryError) in
                try target.add(
                    model: model, version: number, files: files,
                    configuration: NewFile(name: "config.pbtxt", bytes: bytes))
            }
        }
        return imported
    }

    private func manifest(_ source: ImportSource, _ name: String, _ file: ModelFile) -> String {
        let now = Date().formatted(.iso8601)
        return JSON.object([
            ("schema", .number(1)),
            (
                "files",
                .array([
                    .object([
                        ("name", .string(name)), ("bytes", .number(file.byteCount)),
                        ("sha256", .string(file.digest.hex)),
                    ])
                ])
            ), ("created", .string(source.created ?? now)), ("parent", .null), ("author", .string(NSUserName())),
            ("reason", .string(reason)),
            (
                "tags",
                .object(
                    ([(key: "imported_from", value: source.kind), (key: "imported", value: now)] + source.tags).map {
                        ($0.key, .string($0.value))
                    })
            ), ("metrics", .object([])),
        ]).pretty + "\n"
    }
}

/// What was done.
private struct Imported: Encodable {
    let schema = 1
    let dryRun: Bool
    let model: String
    var version: Int64
    let kind: String
    let file: String
    let bytes: Int
    let sha256: String
    var notes: [String] = []

    var text: String {
        let line = "version \(version) of model '\(printable(model))', from \(kind): \(bytes) bytes, sha256 \(sha256)"
        return ([(dryRun ? "would import " : "imported ") + line] + notes + (dryRun ? ["nothing was changed"] : []))
            .joined(separator: "\n")
    }
}

extension YAML {
    /// A foreign file's plain values, with the keys of nested mappings joined by dots; lists are passed over.
    static func scalars(_ bytes: [UInt8]) throws(YAMLError) -> [(key: String, value: String)] {
        let node: Node?
        do { node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self)) } catch {
            throw YAMLError(sentence: "this is not YAML: \("\(error)".split(separator: "\n").joined(separator: " "))")
        }
        guard case .mapping(let mapping) = node else { throw YAMLError(sentence: "the file holds no mapping") }
        var result: [(key: String, value: String)] = []
        collect(mapping, prefix: "", depth: 0, into: &result)
        return result
    }

    private static func collect(
        _ mapping: Node.Mapping, prefix: String, depth: Int, into result: inout [(key: String, value: String)]
    ) {
        for (key, value) in mapping {
            guard let name = key.string, value.null == nil, result.count < 1000 else { continue }
            switch value {
            case .scalar(let scalar): result.append((prefix + name, String(scalar.string.prefix(4096))))
            case .mapping(let nested) where depth < 8:
                collect(nested, prefix: prefix + name + ".", depth: depth + 1, into: &result)
            default: break
            }
        }
    }
}
