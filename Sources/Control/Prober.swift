// Enters: a version. Leaves: what became of it in a process of its own, where it can crash, hang or grow as it likes.
import Batching
import Foundation
import Glibc
import Memory
import Models
import Reactor
public import Repository
import Serving
public import Tensors

/// What a process that tried a version tells.
public struct ProbeReport: Codable, Sendable {
    public struct Tensor: Codable, Sendable {
        public var name: String
        public var type: String
        /// -1: any size; `nil`: any shape.
        public var shape: [Int64]?
    }

    public struct Batching: Codable, Sendable {
        /// "proven", "on", "off", "not proven".
        public var basis = "not proven"
        /// Why it is not proven.
        public var reason: String?
        /// Nodes that turn a difference in a last bit into another value.
        public var bitDependent: [String] = []
    }

    public var schema = 1
    public var model: String
    public var version: Int64
    /// SHA-256 of the file that was tried, lower-case hexadecimal.
    public var digest = ""
    public var bytes = 0
    public var inputs: [Tensor] = []
    public var outputs: [Tensor] = []
    /// From the open of its file to the end of its warm-up.
    public var loadNanoseconds: Int64 = 0
    /// The most that the process had in memory before it began to load, and after the warm-up.
    public var peakBytesBefore = 0
    public var peakBytesAfter = 0
    public var facts = Facts()
    /// Whether its calls may run together.
    public var batching = Batching()
    /// Why it cannot serve; `nil`: it can.
    public var failure: String?
    /// The same for who ordered the load.
    public var detail: String?
    /// What the runtime said to that.
    public var log: String?

    init(model: String, version: Int64) {
        self.model = model
        self.version = version
    }

    /// What it has to pass; nothing is live beside it.
    public func gates(_ configuration: ModelConfiguration) -> [Gate] { facts.gates(configuration, beside: nil) }
}

/// Tries versions in processes of their own.
public struct Prober: Sendable {
    /// The folder of the repository, as such a process finds it.
    public static let repositoryPath = "/proc/self/fd/3"
    public static let runs = 100

    private let arguments: [String]
    private let secondsMax: Int

    /// `arguments`: what our own program is to be told beside the model and the version.
    public init(arguments: [String], secondsMax: Int) {
        self.arguments = arguments
        self.secondsMax = secondsMax
    }

    public func probe(_ repository: Repository, _ plan: ModelPlan, _ version: Int64) throws(LoadError) -> ProbeReport {
        // What loads has twice the budget's room, so that who is a little above it is told by how much.
        let budget = plan.configuration.memoryBudgetBytes.map { min($0, 1 << 40) * 2 + 256 << 20 }
        let bounds = ChildProcess.Bounds(
            nanosecondsMax: Int64(secondsMax) * 1_000_000_000,
            // Never more than we leave of what we both are granted.
            residentBytesMax: min(
                budget ?? .max, max(256 << 20, PhysicalMemory.granted() - ProcessMemory.residentBytes)))
        let result: ChildProcess.Result
        do throws(SystemError) {
            result = try repository.withDescriptor { (folder) throws(SystemError) in
                try ChildProcess.run(
                    // The program that runs, whatever lies at its place by now.
                    "/proc/self/exe", arguments + ["--model", plan.name, "--version", "\(version)"], folder: folder,
                    within: bounds)
            }
        } catch {
            throw LoadError(
                sentence:
                    "no process could be started to try it (vencejo serve --probe off loads without); the server's log says why",
                log: error.description)
        }
        let log = String(decoding: result.complaints, as: UTF8.self)
        if let sentence = sentence(result.end, bounds) { throw LoadError(sentence: sentence, log: log) }
        guard let report = try? JSONDecoder().decode(ProbeReport.self, from: Data(result.output)) else {
            throw LoadError(sentence: "the process that tried it ended without a report", log: log)
        }
        if let failure = report.failure {
            throw LoadError(sentence: failure, log: report.log ?? log, detail: report.detail)
        }
        return report
    }

    /// `nil`: it has ended by itself.
    private func sentence(_ end: ChildProcess.End, _ bounds: ChildProcess.Bounds) -> String? {
        let place = "when it was tried in a process of its own"
        return switch end {
        case .exited(let code) where code <= 1: nil
        case .exited(let code): "the process that tried it ended with code \(code); the server's log has its words"
        case .signaled(SIGKILL): "its process was killed \(place), perhaps for want of memory"
        case .signaled(let signal): "its runtime crashed (\(Self.name(of: signal))) \(place)"
        case .tooLong: "it was not ready within \(secondsMax) s \(place)"
        case .tooLarge(let bytes):
            "it took \(Facts.megabytes(bytes)) of memory \(place), at most \(Facts.megabytes(bounds.residentBytesMax)) "
                + "are allowed"
        }
    }

    private static func name(of signal: Int32) -> String {
        switch signal {
        case SIGSEGV: "SIGSEGV"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        default: "signal \(signal)"
        }
    }
}

extension VersionLoader {
    /// The other side: loads a version here, in a process that was started for it.
    public func trial(_ model: String, _ version: Int64) -> ProbeReport {
        var report = ProbeReport(model: model, version: version)
        do throws(LoadError) {
            let plan = try plan(named: model)
            if plan.needsRuntime { try openRuntime() }
            report.peakBytesBefore = ProcessMemory.peakBytes
            let began = Clock.now()
            let loaded = try load(plan, version) {}
            report.loadNanoseconds = Clock.now() - began
            report.peakBytesAfter = ProcessMemory.peakBytes
            report.digest = loaded.hexDigest
            report.bytes = loaded.bytes
            let servable = loaded.version.model
            report.inputs = servable.engine.signature.inputs.map(ProbeReport.Tensor.init)
            report.outputs = servable.engine.signature.outputs.map(ProbeReport.Tensor.init)
            report.batching = ProbeReport.Batching(servable.equivalence)
            report.facts = Facts(
                servable, golden: repository.golden(plan, version, of: servable),
                rehearsed: servable.rehearsed, runs: Prober.runs)
            report.facts.memoryBytes = max(0, report.peakBytesAfter - report.peakBytesBefore)
        } catch {
            report.failure = error.sentence
            report.detail = error.detail
            report.log = error.log
        }
        return report
    }

    private func plan(named model: String) throws(LoadError) -> ModelPlan {
        do throws(RepositoryError) {
            if let folder = try repository.folder(of: model) { return plan(folder) }
            throw .missing(path: model)
        } catch {
            throw LoadError(sentence: error.description, log: error.description)
        }
    }
}

extension ProbeReport.Batching {
    fileprivate init(_ equivalence: BatchEquivalence) {
        bitDependent = equivalence.bitDependent
        switch equivalence.basis {
        case .proven: basis = "proven"
        case .promised: basis = "on"
        case .off: basis = "off"
        case .unproven(let reason): self.reason = reason
        case .withdrawn: reason = "a batch gave other answers"
        }
    }
}

extension ProbeReport.Tensor {
    fileprivate init(_ specification: TensorSpecification) {
        name = specification.name
        type = "\(specification.type.name)"
        shape = specification.shape
    }
}
