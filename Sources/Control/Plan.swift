// Enters: what the repository holds. Leaves: what is to be loaded, and how.
public import Models
public import ONNX
public import Repository

/// One model to load: its versions, its configuration, or why it cannot be.
public struct ModelPlan: Sendable {
    public let name: String
    /// The highest two, highest first; 0 stands for the version of a model that has none.
    public let versions: [Int64]
    public let configuration: ModelConfiguration
    /// Our sentence on why none of its versions can be served.
    public let failure: String?

    public var needsRuntime: Bool { failure == nil && configuration.engine == .onnx }
}

/// What is to be loaded when the server starts.
public struct Plan: Sendable {
    public let models: [ModelPlan]
    /// One sentence each, for the log.
    public let problems: [String]

    /// `pairs`: the keys and scalars of a `model.yaml`; YAML is read at the street.
    public init(
        _ scan: Scan,
        pairs: (_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)]
    ) {
        var models: [ModelPlan] = []
        var problems = scan.problems
        for folder in scan.models {
            problems += folder.problems.map { "model \(folder.name): \($0)" }
            let file = "\(folder.name)/model.yaml"
            var configuration = ModelConfiguration()
            var failure = folder.failure?.description
            do throws(ConfigurationError) {
                if let bytes = folder.configuration {
                    configuration = try ModelConfiguration(try pairs(bytes, file), file: file)
                }
            } catch {
                failure = error.description
            }
            do throws(RepositoryError) {
                let versions = try folder.versions(with: configuration)
                models.append(
                    ModelPlan(
                        name: folder.name, versions: Array(versions.sorted(by: >).prefix(2)),
                        configuration: configuration, failure: failure))
            } catch {
                // Somebody meant it as a model: it is listed, as one that failed.
                models.append(
                    ModelPlan(
                        name: folder.name, versions: [0], configuration: configuration,
                        failure: failure ?? error.description))
            }
        }
        self.models = models
        self.problems = problems
    }

    public var descriptions: [ModelDescription] {
        models.map { ModelDescription(name: $0.name, versions: $0.versions, labels: $0.configuration.labels) }
    }

    public var needsRuntime: Bool { models.contains { $0.needsRuntime } }

    /// The threads that the models which ask for several share: as many as the one that wants most.
    public var threads: Runtime.Threads {
        var threads = Runtime.Threads()
        for model in models {
            threads.intraOp = max(threads.intraOp, model.configuration.intraOpThreads ?? 1)
            threads.interOp = max(threads.interOp, model.configuration.interOpThreads ?? 1)
        }
        return threads
    }
}
