// Enters: a version's folder or file. Leaves: a report of what it does in a process of its own; exit 0 if it may become live.
import ArgumentParser
import Control
import Foundation
import Memory
import ONNX
import Reactor
import Repository
import Tensors

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Try a version in a process of its own, and tell whether it may become live.",
        discussion: """
            Loads it, runs it, asks it the golden cases beside its file (golden/CASE/input.TENSOR.npy, output.TENSOR.npy), and \
            compares what it takes with the budgets of its model.yaml. No server is asked. A version that does not load or \
            does not pass ends with exit code 1.

            Examples:
              vencejo probe models/iris
              vencejo probe models/iris/7 -o json
              vencejo probe models/iris/7/model.onnx
            """)

    @Argument(
        help: ArgumentHelp(
            "REPOSITORY/MODEL, whose highest version is tried, REPOSITORY/MODEL/VERSION, or its model.onnx.",
            valueName: "path"))
    var path: String?
    @OptionGroup var runtime: RuntimeOptions
    @Option(help: ArgumentHelp("How long it may take.", valueName: "seconds")) var timeout = Settings.probeSeconds
    @OptionGroup var options: OutputOptions

    /// Said by our own process to the one that it starts.
    @Option(help: .hidden) var model: String?
    @Option(help: .hidden) var version: Int64?

    func validate() throws {
        guard (path == nil) == (model != nil), (model == nil) == (version == nil) else {
            throw ValidationError("name the folder or the file of one version")
        }
        guard 1...86_400 ~= timeout else { throw ValidationError("--timeout: allowed are 1 to 86400 seconds") }
    }

    func run() throws {
        if let model, let version { return try tryHere(model, version, runtime.named ?? Settings.systemOnnxRuntime) }
        let place = try Place(path ?? "")
        let repository: Repository
        do throws(RepositoryError) { repository = try Repository(path: place.repository) } catch {
            throw Failure.usage(error.description)
        }
        let loader = VersionLoader(repository: repository, pairs: modelYAML) { () throws(LoadError) in
            preconditionFailure("nothing is loaded here")
        }
        let plan = try plan(place, repository, loader)
        guard let number = place.version ?? plan.versions.last else {
            throw Failure.usage(
                "model \(quoted(place.model)) has no version: put its file at \(place.model)/1/model.onnx")
        }
        let report: ProbeReport
        do throws(LoadError) {
            report = try runtime.prober(secondsMax: timeout).probe(repository, plan, number)
        } catch {
            throw Failure(
                code: .failed,
                sentence: "version \(number) of model \(quoted(plan.name)) cannot serve: \(error.words)")
        }
        let gates = report.gates(plan.configuration)
        switch options.output {
        case .json: print(OutputOptions.json(Document(report: report, gates: gates)))
        case .table: print(report.text(gates))
        }
        let failed = gates.filter { $0.outcome == .failed }
        guard failed.isEmpty else {
            throw Failure(
                code: .failed,
                sentence: "version \(number) of model \(quoted(plan.name)) did not pass: "
                    + failed.map(\.name.rawValue).joined(separator: ", "))
        }
    }

    private func plan(
        _ place: Place, _ repository: Repository, _ loader: VersionLoader
    ) throws(Failure) -> ModelPlan {
        let found: ModelFolder?
        do throws(RepositoryError) { found = try repository.folder(of: place.model) } catch {
            throw .usage(error.description)
        }
        guard let folder = found else { throw .usage(RepositoryError.missing(path: place.model).description) }
        let plan = loader.plan(folder)
        if let failure = plan.failure { throw .usage(failure) }
        return plan
    }

    /// In the process that was started for it. It ends when whoever started it does.
    private func tryHere(_ model: String, _ version: Int64, _ library: String) throws(Failure) {
        Thread.giveWay()
        Thread.dieFirst()
        do throws(SystemError) {
            try Thread.start("parent") {
                _ = FileHandle.standardInput.readDataToEndOfFile()
                Foundation._exit(1)
            }.detach()
        } catch {
            throw Failure(code: .failed, sentence: "no thread: \(error)")
        }
        // Who loads it next wants to find its file in memory.
        var limits = RepositoryLimits()
        limits.cachedBytesMax = .max
        let repository: Repository
        do throws(RepositoryError) {
            repository = try Repository(path: Prober.repositoryPath, limits: limits)
        } catch {
            throw Failure(code: .usage, sentence: error.description)
        }
        let allowsOlder = runtime.allowOlderOnnxruntime
        let opened = Lock<ONNX.Runtime?>(nil)
        let threads = Lock(ONNX.Runtime.Threads())
        let loader = VersionLoader(repository: repository, pairs: modelYAML) { () throws(LoadError) in
            do throws(Failure) {
                return try opened.withLock { (opened) throws(Failure) in
                    if let runtime = opened { return runtime }
                    let runtime = try openRuntime(library, allowOlder: allowsOlder, threads.withLock { $0 }) {
                        try? FileHandle.standardError.write(contentsOf: Data(($0 + "\n").utf8))
                    }
                    opened = runtime
                    return runtime
                }
            } catch {
                throw LoadError(sentence: LoadError.noRuntime, log: error.sentence)
            }
        }
        if let folder = try? repository.folder(of: model) { threads.withLock { $0 = [loader.plan(folder)].threads } }
        let report = loader.trial(model, version)
        try? FileHandle.standardOutput.write(contentsOf: (try? JSONEncoder().encode(report)) ?? Data())
        // Nothing is taken down in order: whatever the model left behind, it was well until here.
        Foundation._exit(report.failure == nil ? 0 : 1)
    }
}

/// Where a version lies: the last parts of a path.
private struct Place {
    var repository: String
    var model: String
    /// `nil`: the highest.
    var version: Int64?

    init(_ path: String) throws(Failure) {
        var url = URL(fileURLWithPath: path).standardizedFileURL
        if url.pathExtension == "onnx" {
            guard url.lastPathComponent == "model.onnx" else {
                throw .usage(
                    "\(quoted(path)): a version's file is called model.onnx; put it at MODEL/1/model.onnx to try it")
            }
            url.deleteLastPathComponent()
            guard Int64(url.lastPathComponent) != nil else {
                throw .usage(
                    "\(quoted(path)) does not lie in a version's folder; put it at MODEL/1/model.onnx to try it")
            }
        }
        if let number = Int64(url.lastPathComponent), number > 0 {
            version = number
            url.deleteLastPathComponent()
        }
        model = url.lastPathComponent
        repository = url.deletingLastPathComponent().path
    }
}

/// What is printed for programs.
private struct Document: Encodable {
    let report: ProbeReport
    let gates: [Gate]

    private enum Key: CodingKey { case gates, passed }

    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(gates, forKey: .gates)
        try container.encode(!gates.contains { $0.outcome == .failed }, forKey: .passed)
    }
}

extension ProbeReport {
    fileprivate func text(_ gates: [Gate]) -> String {
        func written(_ tensors: [Tensor]) -> String {
            tensors.map { "\(printable($0.name)) \($0.type) \($0.shape.map { "\($0)" } ?? "of any shape")" }
                .joined(separator: ", ")
        }
        func milliseconds(_ nanoseconds: Int64) -> String { "\(Double(nanoseconds / 1000) / 1000) ms" }
        var rows = [
            ["version", "\(version)"], ["sha256", digest], ["bytes", "\(bytes)"], ["inputs", written(inputs)],
            ["outputs", written(outputs)], ["loaded in", milliseconds(loadNanoseconds)],
            ["peak memory", "\(Facts.megabytes(peakBytesBefore)) before, \(Facts.megabytes(peakBytesAfter)) after"],
        ]
        rows.append(["batching", batching.reason.map { "\(batching.basis): \(printable($0))" } ?? batching.basis])
        if !batching.bitDependent.isEmpty {
            rows.append(["bit-dependent", printable(batching.bitDependent.joined(separator: ", "))])
        }
        if facts.runs > 0 {
            rows.append([
                "single run",
                "p50 \(milliseconds(facts.p50Nanoseconds)), p99 \(milliseconds(facts.p99Nanoseconds)) of \(facts.runs)",
            ])
        }
        if let refusal = facts.refusal { rows.append(["our inputs", "refused: \(printable(refusal))"]) }
        return table(["MODEL", printable(model)], rows) + "\n\n"
            + table(
                ["GATE", "", ""], gates.map { [$0.name.rawValue, $0.outcome.rawValue, printable($0.sentence)] })
    }
}
