// Enters: a model as another tool keeps it. Leaves: a version of it in a repository, which a server can load.
import ArgumentParser
import Control
import Cryptography
import Foundation
import Memory
import ONNX
import Repository
import Tensors

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Copy a model into a repository, as its next version.",
        discussion: """
            PATH is a .onnx file, or a folder of MLflow (MLmodel with the flavor onnx), of MLServer (model-settings.json) or of \
            Triton and KServe (<version>/model.onnx; the highest version). The version appears whole or not at all. Beside the \
            model lies manifest.json: what is known of where it comes from, with sizes and SHA-256.

            Before it appears the version is tried: ONNX Runtime loads it in a process of its own, with the configuration that \
            the model has in the repository. What "vencejo serve" would refuse is refused with the same sentence.

            Examples:
              vencejo import iris.onnx --repository models
              vencejo import classifier.onnx --repository models --drop-zipmap
              vencejo import artifacts/model --repository models --dry-run -o json
            """)

    @Argument(help: "The file or folder.") var path: String
    @Option(help: "The folder that holds the models.") var repository: String
    @Option(help: ArgumentHelp("The model's name. Default: the file's or the folder's.", valueName: "model")) var name:
        String?
    @Option(help: ArgumentHelp("The version. Default: one above the highest.", valueName: "number")) var version: Int64?
    @Option(help: ArgumentHelp("Why; kept in the manifest.", valueName: "text")) var reason = ""
    @Flag(
        help: """
            Cut off the ZipMap in which skl2onnx ends a classifier: the tensor of its probabilities is the output, instead of \
            maps that no client could read.
            """) var dropZipmap = false
    @Flag(help: "Import it without a trial, where there is no ONNX Runtime.") var untried = false
    @OptionGroup var runtime: RuntimeOptions
    @Flag(help: "Only say what would be done. The model is tried all the same, in the temporary folder ($TMPDIR).")
    var dryRun = false
    @OptionGroup var options: OutputOptions

    func run() throws {
        let interruption = try Interruption()
        defer { interruption.settle() }
        let source = try ImportSource(path)
        let target = try orFail { () throws(RepositoryError) in try Repository(path: repository) }
        let result = try place(source, in: target, interruption)
        switch options.output {
        case .json: print(OutputOptions.json(result))
        case .table: print(result.text)
        }
    }

    private func orFail<Result>(_ body: () throws(RepositoryError) -> Result) throws(Failure) -> Result {
        do throws(RepositoryError) { return try body() } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
    }

    private func place(
        _ source: ImportSource, in target: Repository, _ interruption: Interruption
    ) throws(Failure) -> Imported {
        let model = name ?? source.name
        let there = try orFail { () throws(RepositoryError) in try folder(of: model, in: target) }
        _ = try orFail { () throws(RepositoryError) in try target.nextVersion(of: model, wanted: version) }
        let file = try orFail { () throws(RepositoryError) in
            try ModelFile(path: source.file, bytesMax: target.limits.modelBytesMax)
        }
        return try file.withBytes { (original) throws(Failure) in
            try check(original, of: source)
            let cut = dropZipmap ? try self.cut(original, of: source) : nil
            let rest = cut.map { OwnedBytes($0.bytes) }
            defer { withExtendedLifetime(rest) {} }
            let staging = ImportStaging(
                source: source, bytes: rest?.view ?? original,
                digest: rest.map { SHA256.digest(of: $0.view) } ?? file.digest, folder: there, model: model,
                target: target)
            var imported = Imported(staging, isDryRun: dryRun)
            imported.note(cut, of: file.digest, isWanted: dropZipmap)
            let staged = try orFail { () throws(RepositoryError) in
                try interruption.guarding { () throws(RepositoryError) in
                    try target.stage(model: model, version: version, triedIn: dryRun ? temporary() : nil)
                }
            }
            // A version in its place stays.
            defer { staged.discard() }
            imported.version = staged.version
            try orFail { () throws(RepositoryError) in
                try staging.write(staged, manifest: imported.manifest(source, reason: reason))
            }
            let isTried = untried ? false : try tryOut(staged, staging, cut)
            imported.note(isTried: isTried, isWanted: !untried)
            if !dryRun { try orFail { () throws(RepositoryError) in try staged.put() } }
            return imported
        }
    }

    /// Where a dry run tries the version: it writes nothing into the repository, which may be read-only.
    private func temporary() throws(RepositoryError) -> Repository {
        var path = NSTemporaryDirectory()
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return try Repository(path: path)
    }

    /// `nil`: the model is new. One that cannot be read cannot be served.
    private func folder(of model: String, in target: Repository) throws(RepositoryError) -> ModelFolder? {
        let folder = try target.folder(of: model)
        if let failure = folder?.failure { throw failure }
        return folder
    }

    private func refusal(_ source: ImportSource, _ reason: String) -> Failure {
        Failure(code: .failed, sentence: RepositoryError.refused(path: source.file, reason: reason).description)
    }

    /// What needs no runtime to be seen.
    private func check(_ file: ByteView, of source: ImportSource) throws(Failure) {
        guard let problem = problem(ofModelFile: file) else { return }
        // MLflow's default is several files.
        let hint =
            problem.isExternalData && source.kind == "mlflow"
            ? ", with mlflow.onnx.save_model(…, save_as_external_data=False)" : ""
        throw refusal(source, problem.sentence + hint)
    }

    private func cut(_ file: ByteView, of source: ImportSource) throws(Failure) -> ZipMapCut? {
        do throws(ZipMapError) { return try droppingZipMaps(from: file) } catch {
            throw refusal(source, "\(error.sentence), and import it without --drop-zipmap")
        }
    }

    /// - Returns: whether a server would load the file at all.
    private func tryOut(_ staged: StagedVersion, _ staging: ImportStaging, _ cut: ZipMapCut?) throws(Failure) -> Bool {
        let trial = ImportTrial(prober: runtime.prober(secondsMax: Settings.probeSeconds))
        do throws(LoadError) {
            return try trial.load(staged, sha256: staging.digest.hex, bytes: staging.bytes.count)
        } catch {
            if error.sentence == LoadError.noRuntime {
                throw .usage(
                    "\(printable(error.log)): name the library with --onnxruntime or $VENCEJO_ONNXRUNTIME, or give --untried to "
                        + "import the model without a trial")
            }
            var hint = ""
            if cut == nil, let possible = try? droppingZipMaps(from: staging.bytes),
                possible.outputs.contains(where: { error.sentence.contains("output '\($0.name)' is a ") })
            {
                hint = ": import it with --drop-zipmap"
            }
            throw refusal(staging.source, error.words + hint)
        }
    }
}
