// Enters: Triton's calls about the repository. Leaves: the same orders, and what there is, in Triton's words.
import Foundation
import Memory
import Models
import OpenInference
import PredictionAPI
import Reactor
import Repository
import Serving
import Tensors

extension Clerk {
    /// Every model of the repository and of the catalog. As in Triton, a model of which nothing was loaded has no version, and what an
    /// order unloaded is UNAVAILABLE.
    func index(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let isReadyWanted: Bool
        do throws(OpenInferenceError) { isReadyWanted = try RepositoryIndexRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
        var lines: [RepositoryIndex.Line] = []
        let listed = control.listed
        for entry in listed {
            for standing in entry.standings.sorted(by: { $0.number < $1.number }) {
                var line = RepositoryIndex.Line(name: entry.name, version: "\(standing.number)")
                switch standing.state {
                case .ready, .live: line.state = "READY"
                case .absent, .draining: line.state = "UNLOADING"
                case .loading, .warming: line.state = "LOADING"
                case .failed(let reason), .quarantined(let reason):
                    line.state = "UNAVAILABLE"
                    line.reason = reason
                }
                lines.append(line)
            }
        }
        do throws(OrderError) {
            let unloaded = control.unloaded
            for (name, versions) in try control.versionsOfRepository() {
                let entry = listed.first { $0.name == name }
                let gone = (unloaded[name] ?? []).filter { versions.contains($0) && entry?.standing($0) == nil }
                lines += gone.map {
                    RepositoryIndex.Line(name: name, version: "\($0)", state: "UNAVAILABLE", reason: "unloaded")
                }
                if gone.isEmpty, entry == nil { lines.append(RepositoryIndex.Line(name: name)) }
            }
        } catch {
            throw refusal(error)
        }
        if isReadyWanted { lines.removeAll { $0.state != "READY" } }
        let index = RepositoryIndex(lines.sorted { ($0.name, $0.version) < ($1.name, $1.version) })
        return encoded { (arena) throws(ArenaFull) in try index.encode(headroom: 0, in: &arena) }
    }

    /// Loads, and makes live: with Triton's there is no other step. Files that come along are put into the repository first.
    func repositoryLoad(_ message: ByteView, _ errand: Errand) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        if let key = request.others.first {
            throw ErrandRefusal(
                .badRequest,
                "parameter '\(escaped(key))' is not supported: allowed are config, file:<version>/<name> with bytes, and force, "
                    + "which is true or false"
            )
        }
        if control.mode == .fixed {
            throw refusal(.fixed(.load))
        }
        let override = try override(request)
        let files = SentFiles(repository: control.loader.repository, fileName: fileName(request.model), log: log)
        let sent = try files.put(request.files, of: request.model)
        for version in try versions(request.model, override?.versionPolicy, sent.versions) {
            do throws(ErrandRefusal) {
                try load(request.model, version, override, isForced: request.isForced, errand)
            } catch {
                // Who watches the repository may have been faster.
                let unused = sent.new.filter { !control.uses(request.model, $0, fileName: fileName(request.model)) }
                files.remove(unused, of: request.model)
                throw error
            }
            // Triton's clients take OK for an answer of the new version.
            _ = try perform(
                .swap([Order.Change(model: request.model, version: version)], isForced: request.isForced),
                signedByTriton(errand), errand)
        }
        return []
    }

    /// What `config` says goes before what the repository says, for this load.
    private func override(_ request: RepositoryModelRequest) throws(ErrandRefusal) -> TritonOverride? {
        guard let text = request.configuration else { return nil }
        guard let message = TextMessage(json: text) else {
            throw ErrandRefusal(
                .badRequest,
                "parameter 'config' is not a model configuration in JSON, as {\"version_policy\": {\"specific\": {\"versions\": [2]}}}"
            )
        }
        do throws(ConfigurationError) { return try TritonOverride(message, model: request.model) } catch {
            throw ErrandRefusal(.badRequest, error.description)
        }
    }

    private func fileName(_ model: String) -> String { (try? control.plan(of: model))?.modelFile ?? "model.onnx" }

    /// The versions to load, the one that is to be live last: those that `config` names, else the highest of what was sent, else
    /// the highest.
    private func versions(
        _ model: String, _ policy: VersionPolicy?, _ sent: [Int64]
    ) throws(ErrandRefusal) -> [Int64?] {
        var versions: [Int64?]
        switch policy {
        case .specific(let numbers)?: versions = numbers.sorted()
        case .latest(2...)?, .all?:
            versions = try versionsOfRepository(model).sorted()
            if case .latest(let count)? = policy { versions = versions.suffix(count) }
        case .latest?, nil: versions = sent.isEmpty ? [try versionsOfRepository(model).max()] : [sent.last]
        }
        if versions.isEmpty { versions = [nil] }
        guard versions.count <= 2 else {
            throw ErrandRefusal(
                .badRequest, "\(versions.count) versions are named; a model has two places, blue and green")
        }
        return versions
    }

    private func versionsOfRepository(_ model: String) throws(ErrandRefusal) -> [Int64] {
        do throws(OrderError) { return try control.versionsOfRepository(model) } catch {
            throw refusal(error)
        }
    }

    private func signedByTriton(_ errand: Errand) -> Signed {
        var signed = Signed(author: "RepositoryModelLoad", reason: "", timeMilliseconds: Clock.wallMilliseconds())
        signed.caller = errand.caller
        return signed
    }

    private func load(
        _ model: String, _ version: Int64?, _ override: TritonOverride?, isForced: Bool, _ errand: Errand
    ) throws(ErrandRefusal) {
        var signed = signedByTriton(errand)
        signed.isForced = isForced
        _ = try told(signed, .load, [Ordered(model, version)], errand) { () throws(OrderError) in
            try control.load(model, version, isForced: isForced, signed, override: override)
        }
    }

    func repositoryUnload(_ message: ByteView, _ errand: Errand) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        var signed = Signed(author: "RepositoryModelUnload", reason: "", timeMilliseconds: Clock.wallMilliseconds())
        signed.caller = errand.caller
        _ = try perform(.unload(model: request.model, version: nil, isForced: true), signed, errand)
        return []
    }

    private func repositoryRequest(_ message: ByteView) throws(ErrandRefusal) -> RepositoryModelRequest {
        do throws(OpenInferenceError) { return try RepositoryModelRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
    }
}
