// Enters: two configurations. Leaves: a client and a server whose ciphertext goes straight to the other.
import Memory

@testable import TLS

/// A client and a server, back to back in memory.
final class Pair {
    let client: TLSConnection
    let server: TLSConnection
    private var toClient = ByteQueue()
    private var toServer = ByteQueue()
    private var ended: Ended?

    static let authority = Certificates.path("ca.pem")

    static func serverConfiguration(_ name: String = "server") -> ServerContext.Configuration {
        ServerContext.Configuration(
            certificateFile: Certificates.path("\(name).pem"), keyFile: Certificates.path("\(name).key"))
    }

    init(
        server: ServerContext.Configuration = serverConfiguration(),
        client: ClientContext.Configuration = ClientContext.Configuration(authorityFile: authority),
        host: String = "localhost"
    ) throws {
        self.server = try ServerContext(server).connection()
        self.client = try ClientContext(client).connection(to: host)
    }

    enum Ended: Error, Equatable {
        case client(TLSError)
        case server(TLSError)
    }

    /// Carries ciphertext to and fro, `step` bytes at a time, until neither side has more to send.
    func run(step: Int = .max) throws(Ended) {
        var begun = false
        while !begun || !client.ciphertext.isEmpty || !server.ciphertext.isEmpty {
            do throws(TLSError) {
                if !begun { _ = try client.open(.empty, into: &toClient) }
                try Self.carry(from: server, to: client, into: &toClient, step: step)
            } catch {
                ended = .client(error)
                throw .client(error)
            }
            do throws(TLSError) {
                try Self.carry(from: client, to: server, into: &toServer, step: step)
            } catch {
                ended = .server(error)
                throw .server(error)
            }
            begun = true
        }
    }

    /// After one side has ended with an error: carries what it still had to say to the other.
    func rest() throws(Ended) {
        do throws(TLSError) {
            switch ended {
            case .client: try Self.carry(from: client, to: server, into: &toServer, step: .max)
            case .server: try Self.carry(from: server, to: client, into: &toClient, step: .max)
            case nil: break
            }
        } catch {
            if case .client = ended { throw .server(error) }
            throw .client(error)
        }
    }

    /// For 1.2: the server has the client's hello, and these are the records that it would get next: certificate, key,
    /// proof of the key (all in plain), then what is sealed.
    func recordsAfterHello() throws -> [[UInt8]] {
        _ = try client.open(.empty, into: &toClient)
        let hello = client.ciphertext.view.array
        client.ciphertext.removeAll()
        var unused = ByteQueue()
        try server.open(hello, into: &unused)
        _ = try client.open(server.ciphertext.view, into: &toClient)
        server.ciphertext.removeAll()
        var rest = client.ciphertext.view
        var records: [[UInt8]] = []
        while rest.count >= 5 {
            let count = 5 + Int(rest.bigEndian(at: 3, as: UInt16.self))
            records.append(rest.prefix(count).array)
            rest = rest.dropFirst(count)
        }
        return records
    }

    private static func carry(
        from: TLSConnection, to: TLSConnection, into plaintext: inout ByteQueue, step: Int
    ) throws(TLSError) {
        while !from.ciphertext.isEmpty {
            let piece = from.ciphertext.view.prefix(step)
            defer { from.ciphertext.consume(piece.count) }
            _ = try to.open(piece, into: &plaintext)
        }
    }

    /// What has arrived, and forgets it.
    func takeAtClient() -> [UInt8] {
        defer { toClient.removeAll() }
        return toClient.view.array
    }

    func takeAtServer() -> [UInt8] {
        defer { toServer.removeAll() }
        return toServer.view.array
    }
}

extension TLSConnection {
    func open(_ bytes: [UInt8], into plaintext: inout ByteQueue) throws(TLSError) {
        var queue = ByteQueue()
        queue.append(bytes)
        _ = try open(queue.view, into: &plaintext)
    }

    func seal(_ bytes: [UInt8]) throws(TLSError) {
        var queue = ByteQueue()
        queue.append(bytes)
        try seal(queue.view)
    }
}
