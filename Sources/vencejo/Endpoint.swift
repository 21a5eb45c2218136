// Enters: flags and the environment. Leaves: where the server is, how it is spoken to, and a connection to it.
import ArgumentParser
import Foundation
import Reactor
import TLS

/// What every command that asks a server takes.
struct EndpointOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server: HOST:PORT, [IPV6]:PORT or unix:PATH. Default: $VENCEJO_ENDPOINT, then 127.0.0.1:8001; where models are changed $VENCEJO_CONTROL, then 127.0.0.1:8002.",
            valueName: "address"))
    var endpoint: String?
    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "seconds")) var timeout = 10.0
    @Flag(help: "Speak TLS, and believe the authorities that this system believes.") var tls = false
    @Option(help: ArgumentHelp("Speak TLS, and believe the authorities in this file (PEM).", valueName: "file"))
    var tlsCa: String?
    @Option(help: ArgumentHelp("Our own certificate chain (PEM), for a server that demands one.", valueName: "file"))
    var tlsCertificate: String?
    @Option(help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file")) var tlsKey: String?
    @Option(
        help: ArgumentHelp(
            "The name that the server's certificate must be for. Default: the endpoint's host.", valueName: "name"))
    var tlsServerName: String?

    /// Where the flags point to; nothing is connected yet.
    func resolve() throws(Failure) -> Endpoint {
        guard timeout > 0, timeout <= 31_536_000 else {
            throw .usage("--timeout: \"\(timeout)\" is not allowed; allowed are seconds above 0, up to 31536000")
        }
        let environment = ProcessInfo.processInfo.environment["VENCEJO_ENDPOINT"]
        let text = endpoint ?? environment ?? "127.0.0.1:8001"
        let origin = endpoint != nil ? "--endpoint" : "VENCEJO_ENDPOINT"
        return Endpoint(
            text: text, host: Self.host(text), addresses: try Self.addresses(text, origin), tls: try tlsContext(),
            serverName: tlsServerName, timeoutNanoseconds: Int64(timeout * 1_000_000_000))
    }

    func connect() throws(Failure) -> Client {
        let endpoint = try resolve()
        do throws(ClientError) { return try Client(endpoint) } catch { throw error.failure(at: endpoint) }
    }

    private func tlsContext() throws(Failure) -> ClientContext? {
        guard tls || tlsCa != nil else {
            for (flag, value) in [
                ("--tls-certificate", tlsCertificate), ("--tls-key", tlsKey), ("--tls-server-name", tlsServerName),
            ] where value != nil {
                throw .usage("\(flag) is given without --tls or --tls-ca: say by one of them whom to believe")
            }
            return nil
        }
        if tlsKey != nil && tlsCertificate == nil {
            throw .usage("--tls-key is given without --tls-certificate: give the certificate of the key")
        }
        do throws(TLSError) {
            return try ClientContext(
                ClientContext.Configuration(
                    authorityFile: tlsCa, certificateFile: tlsCertificate, keyFile: tlsKey))
        } catch {
            throw .usage("TLS: \(error)")
        }
    }

    /// All addresses of a host's name; the one address of anything else.
    private static func addresses(_ text: String, _ origin: String) throws(Failure) -> [Address] {
        do throws(AddressError) {
            return [try Address(text)]
        } catch {
            guard let (host, port) = namedHost(text) else { throw .usage("\(origin): \(error.sentence)") }
            let found = Host(name: host).addresses.compactMap { address in
                try? Address(address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)")
            }
            guard !found.isEmpty else {
                throw Failure(
                    code: .unreachable,
                    sentence:
                        "\(origin): the name \"\(host)\" of \"\(text)\" is not known to this machine's resolver: check "
                        + "it, or give a numeric address")
            }
            return found
        }
    }

    /// `NAME:PORT`, where the name could be one of the domain name system's and is no number.
    private static func namedHost(_ text: String) -> (host: String, port: UInt16)? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), parts[0].contains(where: \.isLetter),
            parts[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) })
        else { return nil }
        return (String(parts[0]), port)
    }

    private static func host(_ text: String) -> String {
        guard !text.hasPrefix("unix:"), let colon = text.lastIndex(of: ":") else { return "localhost" }
        return text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    }
}

/// A server as a client sees it.
struct Endpoint {
    /// As it was given.
    let text: String
    let host: String
    /// To be tried in this order.
    let addresses: [Address]
    let tls: ClientContext?
    /// `nil`: the host's.
    let serverName: String?
    /// For the connection, and for each answer.
    var timeoutNanoseconds: Int64

    /// The `:authority` of a request.
    var authority: String { text.hasPrefix("unix:") ? "localhost" : text }

    var timeoutText: String { "\(Double(timeoutNanoseconds / 1_000_000) / 1000) s" }
}
