// Enters: a server's metrics page. Leaves: the same as the agent would serve of it, on standard output; no network is needed.
import ArgumentParser
import Foundation
import Reactor
import ServerMetrics

/// Where a server on this machine shows itself.
struct PageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server's --metrics-page. Default: /dev/shm/vencejo-8001.metrics.", valueName: "path"))
    var page = "/dev/shm/vencejo-8001.metrics"

    var reader: PageReader { PageReader(path: page) { Clock.now() } }

    /// Ends the command if there is nothing to show.
    func check(_ look: PageReader.Look) throws(Failure) {
        guard look.snapshot == nil else { return }
        throw Failure(
            code: .unreachable,
            sentence: "\(look.problem?.sentence ?? page): start a server, or name its page with --page")
    }
}

struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Print what a server on this machine counted, as Prometheus would be told.",
        discussion: """
            Examples:
              vencejo metrics
              vencejo metrics --format openmetrics --page /run/vencejo/metrics
              vencejo metrics | promtool check metrics
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, openmetrics, protobuf, triton

        var format: ExpositionFormat {
            switch self {
            case .text: .text
            case .openmetrics: .openMetrics
            case .protobuf: .protobuf
            case .triton: .triton
            }
        }
    }

    @OptionGroup var place: PageOptions
    @Option(help: "text (0.0.4), openmetrics (1.0.0), protobuf (with native histograms) or triton (its names).")
    var format = Format.text

    func run() throws {
        let (reader, began) = (place.reader, Clock.now())
        let look = reader.look()
        try place.check(look)
        try? FileHandle.standardOutput.write(contentsOf: Data(reader.render(look, format.format, began: began)))
    }
}
