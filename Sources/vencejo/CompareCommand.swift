// Enters: two versions of a model in a repository. Leaves: what their makers say of them, side by side.
import ArgumentParser
import Control
import Crypto
import Repository
import Tensors

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Show two versions of a model side by side: digests, sizes, metrics, origins.",
        discussion: """
            Reads the repository, and asks no server. Of a version without a manifest.json only the file is compared.

            Examples:
              vencejo compare iris 6 7 --repository models
              vencejo compare iris 6 7 --repository models -o json
            """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: ArgumentHelp("One version.", valueName: "a")) var first: Int64
    @Argument(help: ArgumentHelp("The other.", valueName: "b")) var second: Int64
    @Option(help: ArgumentHelp("The folder that holds the models.", valueName: "folder")) var repository = "."
    @OptionGroup var options: OutputOptions

    /// One thing that is known of either version.
    private struct Line {
        let name: String
        let first: JSON?
        let second: JSON?
        /// How much more the second is, where both are numbers.
        var difference: String?
    }

    func run() throws {
        let opened: Repository
        do throws(RepositoryError) { opened = try Repository(path: repository) } catch {
            throw Failure.usage("--repository: \(error.description)")
        }
        let lines = Self.lines(try manifest(first, in: opened), try manifest(second, in: opened))
        switch options.output {
        case .json:
            print(
                JSON.object([
                    ("schema", .number(1)), ("model", .string(model)), ("first_version", .number(first)),
                    ("second_version", .number(second)),
                    ("differs", .bool(lines.contains { $0.first?.pretty != $0.second?.pretty })),
                    (
                        "lines",
                        .array(
                            lines.map {
                                .object(
                                    [
                                        ("name", .string($0.name)), ("first", $0.first ?? .null),
                                        ("second", $0.second ?? .null),
                                    ] + ($0.difference.map { [("difference", .literal($0))] } ?? []))
                            })
                    ),
                ]).pretty)
        case .table:
            let rows = lines.map { line in
                [
                    printable(line.name), Self.cell(line.first), Self.cell(line.second),
                    line.first?.pretty == line.second?.pretty
                        ? "" : line.difference.map { $0.hasPrefix("-") ? $0 : "+\($0)" } ?? "differs",
                ]
            }
            print(table([model.uppercased(), "\(first)", "\(second)", ""], rows))
        }
    }

    private func manifest(_ version: Int64, in repository: Repository) throws(Failure) -> Manifest {
        do throws(ManifestError) {
            if let manifest = try repository.readManifest(model, version) { return manifest }
        } catch {
            throw Failure(code: .failed, sentence: error.sentence)
        }
        do throws(RepositoryError) {
            let file = try repository.open(model: model, version: version)
            return Manifest(files: [
                Manifest.File(name: "model.onnx", bytes: file.byteCount, sha256: file.digest.hex)
            ])
        } catch {
            throw Failure(code: .failed, sentence: error.description)
        }
    }

    private static func lines(_ first: Manifest, _ second: Manifest) -> [Line] {
        var lines: [Line] = []
        func add<Value>(_ name: String, _ value: (Manifest) -> Value?, _ json: (Value) -> JSON) {
            let (one, other) = (value(first), value(second))
            if one == nil && other == nil { return }
            var line = Line(name: name, first: one.map(json), second: other.map(json))
            if let one = one as? Double, let other = other as? Double { line.difference = "\(other - one)" }
            if let one = one as? Int, let other = other as? Int { line.difference = "\(other - one)" }
            lines.append(line)
        }
        for name in Set((first.files + second.files).map(\.name)).sorted() {
            add("\(name) sha256", { $0.file(name)?.sha256 }, { .string($0) })
            add("\(name) bytes", { $0.file(name)?.bytes }, { .number($0) })
        }
        for name in Set([first, second].flatMap { $0.metrics?.keys.map(\.self) ?? [] }).sorted() {
            add("metric \(name)", { $0.metrics?[name] }, { .literal("\($0)") })
        }
        for name in Set([first, second].flatMap { $0.tags?.keys.map(\.self) ?? [] }).sorted() {
            add("tag \(name)", { $0.tags?[name] }, { .string($0) })
        }
        for (name, value) in [
            ("parent", \Manifest.parent), ("created", \.created), ("author", \.author), ("reason", \.reason),
        ] {
            add(name, { $0[keyPath: value] }, { .string($0) })
        }
        return lines
    }

    /// A digest's beginning is enough for people.
    private static func cell(_ value: JSON?) -> String {
        switch value {
        case .string(let text)?: text.utf8.count == 64 ? printable(String(text.prefix(12))) : printable(text)
        case let value?: value.pretty
        case nil: "-"
        }
    }
}
