// Enters: Triton's calls about the repository. Leaves: the same orders, and what there is, in Triton's words.
import Foundation
import Memory
import Models
import OpenInference
import PredictionAPI
import Reactor
import Serving
import Tensors

extension Clerk {
    /// Every model of the repository and of the catalog. As in Triton, a model of which nothing is loaded has no version.
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
            for name in try control.modelsOfRepository() where !listed.contains(where: { $0.name == name }) {
                lines.append(RepositoryIndex.Line(name: name))
            }
        } catch {
            throw refusal(error)
        }
        if isReadyWanted { lines.removeAll { $0.state != "READY" } }
        let index = RepositoryIndex(lines.sorted { ($0.name, $0.version) < ($1.name, $1.version) })
        return encoded { (arena) throws(ArenaFull) in try index.encode(headroom: 0, in: &arena) }
    }

    /// Loads, and makes live: with Triton's there is no other step. Which version its `config` may say, as
    /// `{"version_policy": {"specific": {"versions": [2]}}}`; else the highest.
    func repositoryLoad(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        if let key = request.others.first {
            throw ErrandRefusal(
                .badRequest, "parameter '\(escaped(key))' is not supported: put the model's files into the repository")
        }
        var versions: [Int64?] = [nil]
        if let configuration = request.configuration {
            versions = try LoadConfiguration.versions(in: configuration)
        }
        let signed = Signed(author: "RepositoryModelLoad", reason: "", timeMilliseconds: Clock.wallMilliseconds())
        for version in versions {
            let number: Int64?
            if let version { number = version } else { number = try highestVersion(of: request.model) }
            _ = try perform(.load(model: request.model, version: number), signed)
            if let number, case let faults = control.faults(request.model, number), !faults.isEmpty {
                throw refusal(.unfit(model: request.model, version: number, faults: faults))
            }
            _ = try perform(.swap([Order.Change(model: request.model, version: number)], isForced: true), signed)
        }
        return []
    }

    private func highestVersion(of model: String) throws(ErrandRefusal) -> Int64? {
        do throws(OrderError) { return try control.versionsOfRepository(model).max() } catch {
            throw refusal(error)
        }
    }

    func repositoryUnload(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        _ = try perform(
            .unload(model: request.model, version: nil, isForced: true),
            Signed(author: "RepositoryModelUnload", reason: "", timeMilliseconds: Clock.wallMilliseconds()))
        return []
    }

    private func repositoryRequest(_ message: ByteView) throws(ErrandRefusal) -> RepositoryModelRequest {
        do throws(OpenInferenceError) { return try RepositoryModelRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
    }
}

/// What we read of the configuration that a caller sends with RepositoryModelLoad.
private struct LoadConfiguration: Decodable {
    struct Policy: Decodable {
        struct Specific: Decodable { var versions: [Int64] }
        var specific: Specific?
    }

    var versionPolicy: Policy?

    /// The versions that it names, the one that is to be live last; one `nil`: the highest.
    static func versions(in text: String) throws(ErrandRefusal) -> [Int64?] {
        let decoder = JSONDecoder()
        // As protobuf's JSON, which knows its fields by both spellings.
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let configuration = try? decoder.decode(LoadConfiguration.self, from: Data(text.utf8)) else {
            throw ErrandRefusal(
                .badRequest,
                "parameter 'config' is not a model configuration in JSON, as {\"version_policy\": {\"specific\": {\"versions\": [2]}}}"
            )
        }
        guard let versions = configuration.versionPolicy?.specific?.versions, !versions.isEmpty else { return [nil] }
        guard versions.count <= 2 else {
            throw ErrandRefusal(
                .badRequest, "\(versions.count) versions are named; a model has two places, blue and green")
        }
        return versions.sorted()
    }
}
