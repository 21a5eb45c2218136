// Enters: names of models, or none. Leaves: what the server has of them; or where those of a repository come from.
import ArgumentParser
import Memory
import PredictionAPI
import Repository
import Tensors

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the models that a server has, their versions and states.",
        discussion: """
            With --lineage it reads a repository, and asks no server: what the manifests of versions say of where they come \
            from, each version below the one that it was made from.

            Examples:
              vencejo models
              vencejo models iris --lineage --repository models
              vencejo models iris -o json
              vencejo models --endpoint unix:/run/vencejo.sock
            """)

    @Argument(help: "Only these models. Default: all.") var model: [String] = []
    @Flag(help: "Show parents, makers, digests, metrics and tags of the versions in a repository.") var lineage = false
    @Option(help: ArgumentHelp("With --lineage: the folder of the models. Default: this one.", valueName: "folder"))
    var repository: String?
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        guard lineage else {
            if repository != nil { throw Failure.usage("--repository is given without --lineage: a server is asked") }
            return try ask()
        }
        let opened: Repository
        do throws(RepositoryError) { opened = try Repository(path: repository ?? ".") } catch {
            throw Failure.usage("--repository: \(error.description)")
        }
        let lineage = try Lineage(opened, names: model)
        switch options.output {
        case .json: print(lineage.json.pretty)
        case .table: print(lineage.table)
        }
    }

    private func ask() throws {
        let client = try server.connect()
        var models: [ModelStatus]
        do throws(ClientError) { models = try client.models() } catch { throw error.failure(at: client.endpoint) }
        let names = models.map(\.name)
        if !model.isEmpty {
            for name in model where !names.contains(name) {
                throw Failure(
                    code: .failed,
                    sentence: "NOT_FOUND: model \(quoted(name)) is not found; there are: \(listed(names))")
            }
            models = models.filter { model.contains($0.name) }
        }
        switch options.output {
        case .json: print(JSON.object([("schema", .number(1)), ("models", .array(models.map(\.json)))]).pretty)
        case .table: print(text(models))
        }
    }

    private func text(_ models: [ModelStatus]) -> String {
        let rows = models.flatMap { model in
            model.versions.map { version in
                [
                    printable(model.name), "\(version.version)", version.slot.map { "\($0.name)" } ?? "-",
                    version.state.name, version.batching.name,
                    list(version.inputs, version), list(version.outputs, version),
                    version.artifactDigest.isEmpty ? "-" : String(version.artifactDigest.hex.prefix(12)),
                ]
            }
        }
        let reasons = models.flatMap { model in
            model.versions.filter { !$0.reason.isEmpty }.map {
                "model \(model.name), version \($0.version): \($0.reason)"
            }
                + model.versions.compactMap { version in
                    version.batchingNote.map { "model \(model.name), version \(version.version): \($0)" }
                }
        }
        let header = ["MODEL", "VERSION", "SLOT", "STATE", "BATCHING", "INPUTS", "OUTPUTS", "DIGEST"]
        return ([table(header, rows)] + (reasons.isEmpty ? [] : [""]) + reasons.map(printable)).joined(separator: "\n")
    }

    /// The first few, as `name TYPE[shape]`; -o json has all of them.
    private func list(_ tensors: [TensorSpecification], _ version: VersionStatus) -> String {
        guard version.state == .ready || version.state == .live else { return "-" }
        if tensors.isEmpty { return "any" }
        let shown = 2
        let first = tensors.prefix(shown).map { tensor in
            let shape = tensor.shape.map { $0.map { $0 < 0 ? "?" : "\($0)" }.joined(separator: ",") } ?? "…"
            return "\(printable(tensor.name)) \(tensor.type.name)[\(shape)]"
        }
        return first.joined(separator: ", ") + (tensors.count > shown ? ", … \(tensors.count - shown) more" : "")
    }
}

extension VersionStatus.State {
    fileprivate var name: String {
        switch self {
        case .unspecified: "unknown"
        case .loading: "loading"
        case .ready: "ready"
        case .failed: "failed"
        case .warming: "warming"
        case .live: "live"
        case .draining: "draining"
        case .quarantined: "quarantined"
        }
    }
}

extension VersionStatus.Batching {
    fileprivate var name: String {
        switch self {
        case .unspecified: "-"
        case .proven: "proven"
        case .promised: "on"
        case .off: "off"
        case .notProven: "not proven"
        case .withdrawn: "withdrawn"
        }
    }
}

extension VersionStatus {
    /// Why calls do not run together, where the owner did not say so. Bit-dependent nodes, which most classifiers have, are in -o json.
    fileprivate var batchingNote: String? {
        switch batching {
        case .notProven: "calls run alone: \(batchingReason)"
        case .withdrawn: "calls run alone: a batch gave other answers, which is a fault of the server; please report it"
        default: nil
        }
    }
}

extension ModelStatus {
    fileprivate var json: JSON {
        .object([("name", .string(name)), ("versions", .array(versions.map(\.json)))])
    }
}

extension VersionStatus {
    fileprivate var json: JSON {
        .object([
            ("version", .number(version)), ("slot", slot.map { .string("\($0.name)") } ?? .null),
            ("state", .string(state.name)), ("reason", .string(reason)), ("platform", .string(platform)),
            ("batching", .string(batching.name)), ("batching_reason", .string(batchingReason)),
            ("bit_dependent_nodes", .array(bitDependentNodes.map(JSON.string))),
            ("artifact_digest", .string(artifactDigest.hex)),
            ("inputs", .array(inputs.map(\.json))), ("outputs", .array(outputs.map(\.json))),
        ])
    }
}

extension TensorSpecification {
    /// -1 where any size is right; `null`: any shape, of any rank.
    fileprivate var json: JSON {
        .object([
            ("name", .string(name)), ("type", .string("\(type.name)")), ("shape", shape.map(JSON.numbers) ?? .null),
        ])
    }
}
