// Enters: a path to a model as other tools keep it. Leaves: its ONNX file, and what is known of where it comes from.
import Foundation
import Tensors
import Yams

/// A model to be imported.
struct ImportSource {
    /// The ONNX file.
    let file: String
    /// The model's name, unless another is wanted.
    let name: String
    /// What kind of folder it was found in.
    let kind: String
    /// Run, time, author: where the tool that made it says so.
    var tags: [(key: String, value: String)] = []
    var created: String?
    /// A Triton configuration that goes with it.
    var configuration: String?

    init(_ path: String) throws(Failure) {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        let name = URL(fileURLWithPath: path).lastPathComponent
        func has(_ part: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(part)") }
        var isFolder: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw .usage("\(quoted(path)) does not exist")
        }
        if !isFolder.boolValue {
            guard path.hasSuffix(".onnx") else {
                throw .usage("\(quoted(path)) is no .onnx file: name one, or the folder of a model")
            }
            self.init(file: path, name: String(name.dropLast(".onnx".count)), kind: "onnx")
        } else if has("MLmodel") {
            try self.init(mlflow: path, name: name)
        } else if has("model-settings.json") {
            try self.init(mlserver: path, name: name)
        } else {
            try self.init(triton: path, name: name)
        }
    }

    private init(file: String, name: String, kind: String) {
        self.file = file
        self.name = name
        self.kind = kind
    }

    /// A path that a foreign file gives, which must stay in its folder.
    private static func inside(_ folder: String, _ part: String, of file: String) throws(Failure) -> String {
        let parts = part.split(separator: "/", omittingEmptySubsequences: false)
        guard !part.isEmpty, !part.hasPrefix("/"), !parts.contains("..") else {
            throw .usage("\(file) names \(quoted(part)), which is not a path inside its folder")
        }
        return "\(folder)/\(part)"
    }

    private static func read(_ path: String) throws(Failure) -> [UInt8] {
        do throws(LimitedFile.Problem) {
            return try LimitedFile.read(path, bytesMax: LimitedFile.configurationBytesMax)
        } catch {
            throw Failure(code: .failed, sentence: "\(path) \(error.sentence)")
        }
    }

    // MARK: - MLflow

    private init(mlflow folder: String, name: String) throws(Failure) {
        let file = "\(folder)/MLmodel"
        let bytes = try Self.read(file)
        let pairs: [(key: String, value: String)]
        do throws(YAMLError) { pairs = try YAML.scalars(bytes) } catch {
            throw .usage("\(file): \(error.sentence)")
        }
        guard let data = pairs.first(where: { $0.key == "flavors.onnx.data" })?.value else {
            let flavors = Set(
                pairs.compactMap { pair in
                    let parts = pair.key.split(separator: ".")
                    return parts.count > 1 && parts[0] == "flavors" ? String(parts[1]) : nil
                })
            throw .usage(
                "\(file) has no flavor 'onnx', but \(listed(flavors.sorted())): convert the model to ONNX and save it "
                    + "with mlflow.onnx.save_model")
        }
        self.init(file: try Self.inside(folder, data, of: file), name: name, kind: "mlflow")
        for pair in pairs {
            switch pair.key {
            case "run_id", "model_uuid", "model_id", "mlflow_version", "artifact_path": tags.append(pair)
            case "utc_time_created": created = pair.value.replacing(" ", with: "T") + "Z"
            case let key where key.hasPrefix("metadata."): tags.append(pair)
            case "flavors.onnx.onnx_version": tags.append(("onnx_version", pair.value))
            default: break
            }
        }
    }

    // MARK: - MLServer

    private init(mlserver folder: String, name: String) throws(Failure) {
        let file = "\(folder)/model-settings.json"
        struct Settings: Decodable {
            struct Parameters: Decodable {
                var uri: String?
                var version: String?
            }
            var name: String?
            var implementation: String?
            var parameters: Parameters?
        }
        guard let settings = try? JSONDecoder().decode(Settings.self, from: Data(Self.read(file))) else {
            throw .usage("\(file) is not the JSON of a model's settings")
        }
        let implementation = settings.implementation ?? ""
        guard implementation.lowercased().contains("onnx") || implementation.lowercased().contains("mlflow") else {
            throw .usage(
                "\(file): implementation is \(quoted(implementation)), which runs no ONNX model: convert the model to ONNX, "
                    + "and import its .onnx file")
        }
        var uri = settings.parameters?.uri ?? "."
        if uri.hasPrefix("./") { uri = String(uri.dropFirst(2)) }
        let place = uri == "." || uri.isEmpty ? folder : try Self.inside(folder, uri, of: file)
        var inner: ImportSource
        if FileManager.default.fileExists(atPath: "\(place)/MLmodel") {
            inner = try ImportSource(mlflow: place, name: settings.name ?? name)
        } else {
            inner = ImportSource(
                file: place.hasSuffix(".onnx") ? place : "\(place)/model.onnx", name: settings.name ?? name,
                kind: "mlserver")
        }
        if let version = settings.parameters?.version { inner.tags.append(("mlserver_version", version)) }
        self = inner
    }

    // MARK: - Triton, KServe

    /// `<folder>/<version>/model.onnx`: the highest version.
    private init(triton folder: String, name: String) throws(Failure) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let versions = names.compactMap { Int64($0).flatMap { $0 > 0 ? $0 : nil } }.sorted()
        let hasConfiguration = names.contains("config.pbtxt")
        for version in versions.reversed() {
            let inside = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(version)")) ?? []
            // A configuration may give the file another name.
            let files = inside.contains("model.onnx") ? ["model.onnx"] : inside.filter { $0.hasSuffix(".onnx") }
            guard files.count == 1 else { continue }
            self.init(file: "\(folder)/\(version)/\(files[0])", name: name, kind: "triton")
            tags = [("triton_version", "\(version)")]
            if hasConfiguration { configuration = "\(folder)/config.pbtxt" }
            return
        }
        throw .usage(
            "\(quoted(folder)) is no model: expected is a .onnx file, or a folder with MLmodel, model-settings.json or "
                + "<version>/model.onnx")
    }
}

extension YAML {
    /// A foreign file's plain values, with the keys of nested mappings joined by dots; lists are passed over.
    static func scalars(_ bytes: [UInt8]) throws(YAMLError) -> [(key: String, value: String)] {
        let node: Node?
        do { node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self)) } catch {
            throw YAMLError(sentence: "this is not YAML: \("\(error)".split(separator: "\n").joined(separator: " "))")
        }
        guard case .mapping(let mapping) = node else { throw YAMLError(sentence: "the file holds no mapping") }
        var result: [(key: String, value: String)] = []
        collect(mapping, prefix: "", depth: 0, into: &result)
        return result
    }

    private static func collect(
        _ mapping: Node.Mapping, prefix: String, depth: Int, into result: inout [(key: String, value: String)]
    ) {
        for (key, value) in mapping {
            guard let name = key.string, value.null == nil, result.count < 1000 else { continue }
            switch value {
            case .scalar(let scalar): result.append((prefix + name, String(scalar.string.prefix(4096))))
            case .mapping(let nested) where depth < 8:
                collect(nested, prefix: prefix + name + ".", depth: depth + 1, into: &result)
            default: break
            }
        }
    }
}
