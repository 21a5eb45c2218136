// Enters: what a model's folder says. Leaves: which of its versions are to be loaded, and how. Values only.
import Models
public import ONNX
public import Repository
import Tensors

/// What is known of one model before any of it is loaded.
public struct ModelPlan: Sendable {
    public let name: String
    /// The versions in the repository, ascending; 1 for a model that needs no file.
    public let versions: [Int64]
    public let configuration: ModelConfiguration
    /// Why none of its versions can be served, for the log.
    public let failure: String?

    /// What of its configuration was passed over, for the log.
    public var note: String? { configuration.triton?.warning }

    /// What the file of each version is called.
    var modelFile: String { configuration.triton?.modelFile ?? "model.onnx" }

    public var needsRuntime: Bool { failure == nil && configuration.engine == .onnx }

    /// The versions that its policy wants, on their way: the highest into blue, to be live, the next into green, the others
    /// into no slot.
    func record<Loaded>() -> ModelRecord<Loaded> {
        // It was meant as a model: one that has no version to load is listed, as one that failed.
        var chosen = configuration.versionPolicy.choose(from: versions)
        if chosen.isEmpty { chosen = [versions.last ?? 0] }
        var slots: [Slot: Int64] = [.blue: chosen[0]]
        if chosen.count > 1 { slots[.green] = chosen[1] }
        return ModelRecord(
            name: name, slots: slots, others: Array(chosen.dropFirst(2)), live: chosen[0], previous: nil,
            labels: configuration.labels)
    }

    /// Versions that may become live without an order.
    var heirs: Set<Int64> { Set(configuration.versionPolicy.choose(from: versions)) }

    /// What has a place beyond blue and green: a version in a slot that another one takes stays loaded beside them.
    var keepsDisplaced: Set<Int64> {
        let chosen = configuration.versionPolicy.choose(from: versions)
        return chosen.count > 2 ? Set(chosen) : []
    }
}

extension [ModelPlan] {
    /// The threads that the models which ask for several share: as many as the one that wants most.
    public var threads: Runtime.Threads {
        var threads = Runtime.Threads()
        for model in self {
            threads.intraOp = Swift.max(threads.intraOp, model.configuration.intraOpThreads ?? 1)
            threads.interOp = Swift.max(threads.interOp, model.configuration.interOpThreads ?? 1)
        }
        return threads
    }
}
