// Enters: a version that is to be imported. Leaves: the same in a hidden folder of the repository, and whether a server loads it.
import Control
import Cryptography
import Foundation
import Memory
import Reactor
import Repository
import Tensors

/// What goes into the hidden folder.
struct ImportStaging {
    let source: ImportSource
    let bytes: ByteView
    let digest: Digest
    /// What the model's folder holds already; `nil`: it is new.
    let folder: ModelFolder?
    let model: String
    let target: Repository
    /// A Triton configuration that comes along: with the first version, if it fits the name that the model gets here.
    let configuration: String?
    let fileName: String
    private let plan: ModelPlan?

    init(
        source: ImportSource, bytes: ByteView, digest: Digest, folder: ModelFolder?, model: String, target: Repository
    ) {
        (self.source, self.bytes, self.folder, self.model, self.target) = (source, bytes, folder, model, target)
        self.digest = digest
        configuration = folder == nil && model == source.name ? source.configuration : nil
        plan = folder.map { VersionLoader.forPlans(of: target).plan($0) }
        fileName =
            configuration == nil
            ? plan?.configuration.triton?.modelFile ?? "model.onnx"
            : URL(fileURLWithPath: source.file).lastPathComponent
    }

    func write(_ staged: StagedVersion, manifest: String) throws(RepositoryError) {
        let manifest = OwnedBytes(manifest)
        let beside = try besides()
        defer { withExtendedLifetime((manifest, beside)) {} }
        try staged.write(
            [NewFile(name: fileName, bytes: bytes), NewFile(name: Manifest.fileName, bytes: manifest.view)],
            configuration: beside.map { NewFile(name: $0.name, bytes: $0.bytes.view) })
        guard let folder, !staged.isNew else { return }
        let warmUps = warmUpFiles()
        defer { withExtendedLifetime(warmUps) {} }
        try staged.standIn(
            for: folder.versions, warmUps: warmUps.map { NewFile(name: $0.name, bytes: $0.bytes.view) })
    }

    /// The configuration: the one that comes along, or the one that is there.
    private func besides() throws(RepositoryError) -> (name: String, bytes: OwnedBytes)? {
        if let configuration {
            let file = try ModelFile(path: configuration, bytesMax: target.limits.configurationBytesMax)
            return ("config.pbtxt", OwnedBytes(file.withBytes { $0.array }))
        }
        if let bytes = folder?.configuration { return ("model.yaml", OwnedBytes(bytes)) }
        return folder?.tritonConfiguration.map { ("config.pbtxt", OwnedBytes($0)) }
    }

    /// A file that cannot be read is missing in the trial as well, which says so.
    private func warmUpFiles() -> [(name: String, bytes: OwnedBytes)] {
        var names: Set<String> = []
        for input in (plan?.configuration.triton?.warmUps ?? []).flatMap(\.inputs) {
            if case .file(let name) = input.source { names.insert(name) }
        }
        return names.sorted().compactMap { name in
            (try? target.warmUpFile(model: model, name: name)).map { (name, OwnedBytes($0)) }
        }
    }
}

/// Loads a version as a server does before it serves it: in a process of its own.
struct ImportTrial {
    let prober: Prober

    /// `sha256`: of the bytes that are to be imported, which must be those that were tried.
    /// - Returns: whether it was loaded; `false`: no server loads it.
    func load(_ staged: StagedVersion, sha256: String, bytes: Int) throws(LoadError) -> Bool {
        let repository: Repository
        let found: ModelFolder?
        do throws(RepositoryError) {
            repository = try Repository(path: staged.path)
            found = try repository.folder(of: staged.model)
        } catch {
            throw LoadError(sentence: error.description, log: error.description)
        }
        guard let folder = found else {
            let sentence = "the folder in which it was to be tried is gone: import it again"
            throw LoadError(sentence: sentence, log: "\(staged.path) holds no \(staged.model)")
        }
        let plan = VersionLoader.forPlans(of: repository).plan(folder)
        if let failure = plan.failure { throw LoadError(sentence: failure, log: failure) }
        // With "engine: identity" no server opens the file.
        guard plan.needsRuntime else { return false }
        let patience = Patience("trying \(bytes) bytes in a process of its own; --untried imports them without", bytes)
        defer { patience.end() }
        let report = try prober.probe(repository, plan, staged.version)
        guard report.digest == sha256 else {
            throw LoadError(
                sentence: "its file changed while it was tried: import it again",
                log: "tried was sha256 \(report.digest), read was \(sha256)")
        }
        return true
    }
}

extension VersionLoader {
    /// Reads configurations and loads nothing.
    static func forPlans(of repository: Repository) -> VersionLoader {
        VersionLoader(repository: repository, pairs: modelYAML) { () throws(LoadError) in
            preconditionFailure("nothing is loaded here")
        }
    }
}

/// Tells on standard error what takes long; standard output is for the result.
private final class Patience: Sendable {
    private let isOver = Lock(false)
    /// Loading so much takes seconds, which is told at once; anything else if it takes as long.
    private static let bytesMin = 256 << 20
    private static let nanoseconds = 10_000_000_000

    init(_ sentence: String, _ bytes: Int) {
        guard bytes < Self.bytesMin else {
            Vencejo.complain(sentence)
            return
        }
        try? Reactor.Thread.start("patience") { [self] in
            Reactor.Thread.rest(nanoseconds: Self.nanoseconds)
            isOver.withLock { if !$0 { Vencejo.complain(sentence) } }
        }.detach()
    }

    func end() { isOver.withLock { $0 = true } }
}

/// SIGINT, SIGTERM and SIGHUP: what was begun is taken back, so that nothing of it stays in the repository.
final class Interruption: Sendable {
    private let staged = Lock<StagedVersion?>(nil)

    init() throws(Failure) {
        Signals.take()
        do throws(SystemError) {
            try Reactor.Thread.start("signals") { [staged] in
                Signals.next()
                staged.withLock {
                    // A version that is in its place already stays, and the command says so.
                    guard $0?.discard() ?? true else { return }
                    Vencejo.complain("interrupted: nothing was imported")
                    // Under the lock: the command does not report a failure that comes of this (`settle`).
                    Foundation._exit(Failure.Code.failed.rawValue)
                }
            }.detach()
        } catch {
            throw Failure(code: .failed, sentence: "no thread: \(error)")
        }
    }

    /// Does not return if an interruption is under way.
    func settle() { staged.withLock { _ in } }

    func guarding(
        _ stage: () throws(RepositoryError) -> StagedVersion
    ) throws(RepositoryError) -> StagedVersion {
        try staged.withLock { (staged) throws(RepositoryError) in
            let made = try stage()
            staged = made
            return made
        }
    }
}
