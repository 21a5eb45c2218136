// Enters: model files that came with a call. Leaves: versions of the repository; or why not, and then nothing is there.
import Cryptography
import Foundation
import Memory
import ONNX
import OpenInference
import Repository
import Serving
import Tensors

/// Puts files into the repository as `vencejo import` does: each version appears whole or not at all.
struct SentFiles {
    let repository: Repository
    /// What a version's file is called.
    let fileName: String
    let log: @Sendable (String) -> Void

    /// One at a time: the same version may be sent twice.
    private static let writing = Lock(())

    /// - Returns: the versions that were named, ascending, and those that were not there before.
    func put(
        _ files: [RepositoryModelRequest.File], of model: String
    ) throws(ErrandRefusal) -> (versions: [Int64], new: [Int64]) {
        var places: [(version: Int64, bytes: ByteView)] = []
        for file in files {
            let parts = file.key.dropFirst("file:".count).split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let version = Int64(parts[0]), "\(version)" == parts[0],
                version > 0, parts[1] == fileName
            else {
                throw ErrandRefusal(
                    .badRequest,
                    "parameter '\(escaped(file.key))' is not supported: allowed is file:<version>/\(fileName), as "
                        + "file:1/\(fileName); a version is one file")
            }
            if let problem = problem(ofModelFile: file.bytes) {
                throw ErrandRefusal(.badRequest, "parameter '\(escaped(file.key))': \(problem.sentence)")
            }
            places.append((version, file.bytes))
        }
        places.sort { $0.version < $1.version }
        var new: [Int64] = []
        do throws(ErrandRefusal) {
            for place in places where try put(place.bytes, model, place.version) { new.append(place.version) }
        } catch {
            remove(new, of: model)
            throw error
        }
        return (places.map(\.version), new)
    }

    /// What was put there and does not load would only be in the way of a better one.
    func remove(_ versions: [Int64], of model: String) {
        for version in versions {
            do throws(RepositoryError) { try repository.remove(model: model, version: version) } catch {
                log("model \(model), version \(version), which was sent and did not load, stays: \(error.description)")
            }
        }
        repository.removeIfEmpty(model: model)
    }

    /// - Returns: whether it was not there before.
    private func put(_ bytes: ByteView, _ model: String, _ version: Int64) throws(ErrandRefusal) -> Bool {
        let digest = SHA256.digest(of: bytes)
        var manifest = Manifest(files: [
            Manifest.File(name: fileName, bytes: bytes.count, sha256: digest.hex)
        ])
        manifest.created = Date.now.formatted(.iso8601)
        manifest.author = "RepositoryModelLoad"
        let said = OwnedBytes(manifest.encoded)
        let files = [NewFile(name: fileName, bytes: bytes), NewFile(name: Manifest.fileName, bytes: said.view)]
        do throws(RepositoryError) {
            try Self.writing.withLock { _ throws(RepositoryError) in
                _ = try repository.add(model: model, version: version, files: files)
            }
            return true
        } catch {
            switch error {
            case .versionExists: break
            case .notWritten:
                log("model \(model), version \(version): \(error.description)")
                throw ErrandRefusal(
                    .unavailable,
                    "version \(version) of model '\(escaped(model))' cannot be written to the repository, which is read-only or "
                        + "full; the server's log says how: put the file there, and load it without file:")
            default: throw ErrandRefusal(.badRequest, error.description)
            }
        }
        let found = try? repository.open(model: model, version: version, file: fileName)
        guard let found, found.digest == digest else {
            throw ErrandRefusal(
                .wrongState,
                "version \(version) of model '\(escaped(model))' is in the repository already, and is not what was sent (sha256 "
                    + "\(digest.hex)): send it as another version")
        }
        return false
    }
}
