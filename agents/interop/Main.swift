// Enters: HOST PORT, a row of the model breast_cancer and what it must answer. Leaves: a line for each check; exit 0 or 1.
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix

@main
struct Main {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 6, let port = Int(arguments[2]),
            let row = Data(base64Encoded: arguments[3]), let label = Data(base64Encoded: arguments[4]),
            let probabilities = Data(base64Encoded: arguments[5])
        else {
            let usage = "grpc-swift-client HOST PORT ROW LABEL PROBABILITIES (raw little-endian tensors, in base64)\n"
            FileHandle.standardError.write(Data(usage.utf8))
            exit(2)
        }
        var settings = HTTP2ClientTransport.Posix.Config.defaults
        settings.compression.enabledAlgorithms = [.gzip]
        let sample = Sample(row: row, label: label, probabilities: probabilities)
        let failures = try await withGRPCClient(
            transport: .http2NIOPosix(
                target: .ipv4(address: arguments[1], port: port), transportSecurity: .plaintext, config: settings)
        ) { client in
            await Checks(client, sample).run()
        }
        print("\(failures == 0 ? "all checks passed" : "\(failures) checks failed")")
        exit(failures == 0 ? 0 : 1)
    }
}

/// One row for the model breast_cancer, and the answer that another program got from the same file.
struct Sample: Sendable {
    let row: Data
    let label: Data
    let probabilities: Data
}
