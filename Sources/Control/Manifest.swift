// Enters: the bytes of a manifest.json. Leaves: what its writer says of a version; and the way back.
import Cryptography
import Foundation
public import Repository
import Tensors

/// What whoever made a version says of it. It is written last: where it is and what it names is there, the version is whole.
public struct Manifest: Codable, Sendable, Equatable {
    public struct File: Codable, Sendable, Equatable {
        public var name: String
        public var bytes: Int
        /// Of the bytes, in lower-case hexadecimal.
        public var sha256: String

        public init(name: String, bytes: Int, sha256: String) {
            self.name = name
            self.bytes = bytes
            self.sha256 = sha256
        }
    }

    public var schema = 1
    public var files: [File]
    /// When, as ISO 8601 writes it.
    public var created: String?
    public var author: String?
    public var reason: String?
    /// What it was made from, in its maker's words, as the version before.
    public var parent: String?
    public var tags: [String: String]?
    public var metrics: [String: Double]?

    public init(files: [File]) { self.files = files }

    public func file(_ name: String) -> File? { files.first { $0.name == name } }
}

/// A manifest.json that says nothing, or not what lies beside it.
public struct ManifestError: Error, Equatable {
    public let sentence: String
}

extension Manifest {
    public static let fileName = "manifest.json"

    /// `path`: what errors call it.
    public init(_ bytes: [UInt8], path: String) throws(ManifestError) {
        struct Header: Decodable { var schema: Int }
        let decoder = JSONDecoder()
        guard let header = try? decoder.decode(Header.self, from: Data(bytes)) else {
            throw ManifestError(sentence: "'\(path)' is no manifest: write it with \"vencejo manifest\"")
        }
        guard header.schema == 1 else {
            throw ManifestError(sentence: "'\(path)' has the schema \(header.schema); known is 1")
        }
        do { self = try decoder.decode(Manifest.self, from: Data(bytes)) } catch {
            throw ManifestError(
                sentence: "'\(path)' lacks something, or holds something else: write it with \"vencejo manifest\"")
        }
    }

    public var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { preconditionFailure("a manifest that cannot be encoded") }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    /// Every file that it names is there, as large as it says.
    func isFulfilled(by stamp: VersionStamp) -> Bool {
        files.allSatisfy { file in stamp.entries.contains { $0.name == file.name && $0.bytes == file.bytes } }
    }

    /// The model's file is the one that was meant.
    func check(_ digest: Digest, of name: String, path: String) throws(ManifestError) {
        guard let file = file(name) else {
            throw ManifestError(sentence: "'\(path)' does not name \(escaped(name)): write it anew")
        }
        guard file.sha256.lowercased() == digest.hex else {
            throw ManifestError(
                sentence: "'\(path)' names a \(escaped(name)) of sha256 "
                    + "\(escaped(String(file.sha256.prefix(64)))), and the file's is \(digest.hex): copy it again, or write the manifest anew"
            )
        }
    }
}

extension Repository {
    /// What the manifest of a version says; `nil`: it has none.
    public func readManifest(_ model: String, _ version: Int64) throws(ManifestError) -> Manifest? {
        let bytes: [UInt8]?
        do throws(RepositoryError) { bytes = try manifest(model: model, version: version) } catch {
            throw ManifestError(sentence: error.description)
        }
        guard let bytes else { return nil }
        return try Manifest(bytes, path: "\(model)/\(version)/\(Manifest.fileName)")
    }
}
