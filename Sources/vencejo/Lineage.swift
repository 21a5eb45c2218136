// Enters: a repository. Leaves: where each version of its models comes from, as its manifest says.
import Control
import Repository
import Tensors

/// `vencejo models --lineage`: versions of models, each below the one that it was made from.
struct Lineage {
    private struct Line {
        let version: Int64
        /// `nil`: it has none.
        let manifest: Manifest?
        /// Why its manifest cannot be read.
        var problem: String?
        /// How many ancestors in the repository it has.
        var depth = 0

        /// The digest of its model, as the manifest tells it.
        var digest: String? { manifest?.files.first { $0.name.hasSuffix(".onnx") }?.sha256 }
    }

    private var models: [(name: String, lines: [Line])] = []

    /// `names`: only these models; none: all.
    init(_ repository: Repository, names: [String]) throws(Failure) {
        let scan: Scan
        do throws(RepositoryError) { scan = try repository.scan() } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
        let known = scan.models.map(\.name)
        for name in names where !known.contains(name) {
            throw Failure(
                code: .failed, sentence: "model \(quoted(name)) is not in the repository; there are: \(listed(known))")
        }
        for model in scan.models where names.isEmpty || names.contains(model.name) {
            let lines = model.versions.map { version in
                do throws(ManifestError) {
                    return Line(version: version, manifest: try repository.readManifest(model.name, version))
                } catch {
                    return Line(version: version, manifest: nil, problem: error.sentence)
                }
            }
            models.append((model.name, Self.ordered(lines, of: model.name)))
        }
    }

    /// Children stand below their parent, a step further in; whose parent is not here, or is his own child, stands at the front.
    private static func ordered(_ lines: [Line], of model: String) -> [Line] {
        let versions = Set(lines.map(\.version))
        var children: [Int64: [Line]] = [:]
        var roots: [Line] = []
        for line in lines {
            if let parent = parent(line, of: model), versions.contains(parent), parent < line.version {
                children[parent, default: []].append(line)
            } else {
                roots.append(line)
            }
        }
        var ordered: [Line] = []
        var waiting = roots.reversed().map { ($0, 0) }
        while let (line, depth) = waiting.popLast() {
            var line = line
            line.depth = depth
            ordered.append(line)
            waiting += (children[line.version] ?? []).reversed().map { ($0, depth + 1) }
        }
        return ordered
    }

    /// `iris/6` or `6`, as --parent of "vencejo manifest" gives it. What else stands there is somebody else's word.
    private static func parent(_ line: Line, of model: String) -> Int64? {
        guard let text = line.manifest?.parent else { return nil }
        let prefix = model + "/"
        return Int64(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }

    // MARK: - Out

    var table: String {
        let rows = models.flatMap { model in
            model.lines.map { line in
                let indent = line.depth == 0 ? "" : String(repeating: "  ", count: line.depth - 1) + "└ "
                return [
                    printable(model.name), indent + "\(line.version)", cell(line.manifest?.parent),
                    cell(line.manifest?.created), cell(line.manifest?.author),
                    line.digest.map { printable(String($0.prefix(12))) } ?? "-",
                    cell(pairs(line.manifest?.metrics?.mapValues { "\($0)" })), cell(pairs(line.manifest?.tags)),
                ]
            }
        }
        let problems = models.flatMap { $0.lines.compactMap(\.problem) }.map(printable)
        let header = ["MODEL", "VERSION", "PARENT", "CREATED", "AUTHOR", "DIGEST", "METRICS", "TAGS"]
        return ([vencejo.table(header, rows)] + (problems.isEmpty ? [] : [""]) + problems).joined(separator: "\n")
    }

    private func cell(_ text: String?) -> String { text.map { $0.isEmpty ? "-" : printable($0) } ?? "-" }

    private func pairs(_ values: [String: String]?) -> String? {
        values?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    var json: JSON {
        .object([
            ("schema", .number(1)),
            (
                "models",
                .array(
                    models.map { model in
                        .object([("name", .string(model.name)), ("versions", .array(model.lines.map(json)))])
                    })
            ),
        ])
    }

    private func json(_ line: Line) -> JSON {
        func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
        func members<Value>(_ values: [String: Value]?, _ json: (Value) -> JSON) -> JSON {
            .object((values ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
        }
        return .object([
            ("version", .number(line.version)), ("parent", text(line.manifest?.parent)),
            ("created", text(line.manifest?.created)), ("author", text(line.manifest?.author)),
            ("reason", text(line.manifest?.reason)), ("digest", text(line.digest)),
            ("metrics", members(line.manifest?.metrics) { .literal("\($0)") }),
            ("tags", members(line.manifest?.tags) { .string($0) }),
            ("has_manifest", .bool(line.manifest != nil)), ("problem", text(line.problem)),
        ])
    }
}
