// Enters: a command line. Leaves: an exit code: 0 done, 1 it failed, 2 the command line or the configuration is wrong,
// 3 not ready, 4 no server answers, 5 a rollout waits for a decision.
import ArgumentParser
import Foundation
import ServerMetrics
import Serving

@main
struct Vencejo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vencejo",
        abstract: "An inference server: Predict over gRPC, models that change in flight, proof of every answer.",
        discussion: "Start with: vencejo serve --repository DIR",
        subcommands: [
            Serve.self, Predict.self, BenchCommand.self, ModelsCommand.self, LoadCommand.self, SwapCommand.self,
            RollbackCommand.self, RolloutCommand.self, PromoteCommand.self, AbortCommand.self, ShadowCommand.self,
            WeightsCommand.self, ExperimentCommand.self, FeedbackCommand.self, PsCommand.self, TopCommand.self,
            MetricsCommand.self,
            UnloadCommand.self,
            LabelCommand.self, HistoryCommand.self,
            ProbeCommand.self, ImportCommand.self, ManifestCommand.self, CompareCommand.self, KeyCommand.self,
            Status.self,
            Version.self,
        ])

    /// One line for what is wrong, and an exit code that a script can tell apart.
    static func main() {
        // Not by `configuration`, which would give each command a second --version.
        if CommandLine.arguments.dropFirst() == ["--version"] { return print(Build.name("\(Product.version)")) }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            complain(failure.sentence)
            Foundation.exit(failure.code.rawValue)
        } catch {
            let code = exitCode(for: error)
            if code == .success { exit(withError: error) }
            complain(message(for: error).replacing("\n", with: " "))
            Foundation.exit(Failure.Code.usage.rawValue)
        }
    }

    static func complain(_ sentence: String) {
        try? FileHandle.standardError.write(contentsOf: Data("vencejo: \(sentence)\n".utf8))
    }
}

/// A command that ends without having done what it was asked.
struct Failure: Error {
    enum Code: Int32 {
        case failed = 1
        case usage = 2
        case notReady = 3
        case unreachable = 4
        /// A rollout waits for a decision.
        case undecided = 5
    }

    let code: Code
    /// What is wrong, with what value, and what to do.
    let sentence: String

    static func usage(_ sentence: String) -> Failure { Failure(code: .usage, sentence: sentence) }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

/// What every command that prints facts takes.
struct OutputOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .long], help: "How to print: table or json.")
    var output = OutputFormat.table

    /// A stable JSON document: keys sorted, one line of `schema` for who reads it in a year.
    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(value) else { preconditionFailure("a value of ours has no JSON") }
        return String(decoding: data, as: UTF8.self)
    }
}

/// A table for people: columns as wide as what is in them, no borders.
func table(_ header: [String], _ rows: [[String]]) -> String {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
        let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
        return cells.joined(separator: "  ").trimmingSuffix(while: \.isWhitespace)
    }.joined(separator: "\n")
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return String(self[..<end])
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version of this build.")

    @OptionGroup var options: OutputOptions

    func run() throws {
        struct Facts: Encodable {
            let schema = 1
            let version: String
            /// Empty: nobody said when it was built.
            let revision: String
            let testedOnnxRuntime: String
            let nghttp2: String
            let openssl: String
        }
        let facts = Facts(
            version: "\(Product.version)", revision: Build.revision, testedOnnxRuntime: Libraries.testedOnnxRuntime,
            nghttp2: Libraries.nghttp2, openssl: Libraries.openssl)
        switch options.output {
        case .json: print(OutputOptions.json(facts))
        case .table:
            print(
                table(
                    ["VENCEJO", Build.name(facts.version)],
                    [
                        ["nghttp2", facts.nghttp2], ["OpenSSL", facts.openssl],
                        ["ONNX Runtime (tested)", facts.testedOnnxRuntime],
                    ]))
        }
    }
}
