// Enters: two versions of a model. Leaves: what their makers say of them, or what they say to the same rows, side by side.
import ArgumentParser
import Control
import Cryptography
import Repository
import Tensors

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Show two versions of a model side by side: what is told of them, or what they answer.",
        discussion: """
            Without --inputs it reads the repository, and asks no server. Of a version without a manifest.json only the file is \
            compared.

            With --inputs both versions, which must be loaded in a running server, answer the same rows: on how many they decide \
            otherwise (another text, whole number or truth, or another place of a row's largest number), and how far their \
            numbers are apart. With --expected also which is better, with McNemar's exact test where rows are right or wrong, \
            and the 95 % interval of the gain (paired bootstrap, 2000 resamples). Values are given as to "vencejo predict".

            Examples:
              vencejo compare iris 6 7 --repository models
              vencejo compare iris 6 7 --inputs rows.npy --expected labels.npy
              vencejo compare iris 6 7 --inputs X=rows.npy --expected labels.npy --output-name label -o json
            """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: ArgumentHelp("One version.", valueName: "a")) var first: Int64
    @Argument(help: ArgumentHelp("The other.", valueName: "b")) var second: Int64
    @Option(help: ArgumentHelp("The folder that holds the models. Default: this one.", valueName: "folder"))
    var repository: String?
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Rows for both to answer; may be given several times.", valueName: "name=value"))
    var inputs: [String] = []
    @Option(help: ArgumentHelp("What should come out: a label or numbers for each row.", valueName: "value"))
    var expected: String?
    @Option(help: ArgumentHelp("The output that should say so. Default: the first.", valueName: "name"))
    var outputName: String?
    @Option(
        help: ArgumentHelp("Rows of a request. Default: as many as the model takes, up to 32.", valueName: "number"))
    var rowsPerRequest: Int?
    @Option(help: ArgumentHelp("The interval is the same for the same seed.", valueName: "number")) var seed: UInt64 =
        1
    @OptionGroup var server: EndpointOptions
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
        try check()
        if !inputs.isEmpty { return try evaluate() }
        let opened: Repository
        do throws(RepositoryError) { opened = try Repository(path: repository ?? ".") } catch {
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

    private func check() throws(Failure) {
        if let rowsPerRequest, !(1...100_000).contains(rowsPerRequest) {
            throw .usage("--rows-per-request: \(rowsPerRequest) is not allowed; allowed are 1 to 100000")
        }
        if !inputs.isEmpty, repository != nil {
            throw .usage(
                "--repository and --inputs exclude each other: a repository is read, rows are answered by a server")
        }
        for (flag, isGiven) in [
            ("--expected", expected != nil), ("--output-name", outputName != nil),
            ("--rows-per-request", rowsPerRequest != nil), ("--endpoint", server.endpoint != nil),
        ] where isGiven && inputs.isEmpty {
            throw .usage("\(flag) is given without --inputs: give by it the rows that both versions are to answer")
        }
    }

    private func evaluate() throws(Failure) {
        let arguments = try inputs.map { text throws(Failure) in try InputArgument(text, flag: "--inputs") }
        let expected = try expected.map { text throws(Failure) in try InputArgument(text, flag: "--expected") }
        let evaluation = try VersionEvaluation(
            try server.connect(), model: model, versions: (first, second), inputs: arguments, expected: expected,
            output: outputName, rowsPerRequest: rowsPerRequest, seed: seed)
        let document = try evaluation.run()
        switch options.output {
        case .json: print(document.json.pretty)
        case .table: print(document.table)
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
