import Memory
import TestSupport
import Testing

@testable import TLS

@Test func aHandshakeAgreesOnH2() throws {
    let pair = try Pair()
    #expect(pair.server.isHandshaking && pair.client.isHandshaking && pair.server.version == nil)
    try pair.run()
    for side in [pair.client, pair.server] {
        #expect(side.state == .open && side.negotiatedProtocol == "h2" && side.version == .tls13)
    }
    #expect(pair.server.peer == nil)
    #expect(pair.client.peer?.subject == "CN=server" && pair.client.peer?.dnsNames == ["localhost"])
}

@Test func byteByByte() throws {
    let pair = try Pair()
    try pair.run(step: 1)
    try pair.client.seal(pattern(1000))
    try pair.server.seal(pattern(2000))
    try pair.run(step: 1)
    #expect(pair.takeAtServer() == pattern(1000) && pair.takeAtClient() == pattern(2000))
}

@Test(arguments: ["localhost", "127.0.0.1"]) func theHostIsTheCertificates(host: String) throws {
    let pair = try Pair(host: host)
    try pair.run()
    #expect(pair.client.state == .open)
}

@Test(arguments: [
    ("example.org", "hostname mismatch"), ("127.0.0.2", "IP address mismatch"), ("sub.localhost", "hostname mismatch"),
])
func theHostIsAnothers(host: String, reason: String) throws {
    let pair = try Pair(host: host)
    #expect(throws: Pair.Ended.client(.certificateRefused(reason: reason))) { try pair.run() }
    // The alert that waits tells the server: bad_certificate.
    #expect(throws: Pair.Ended.server(.alert(42))) { try pair.rest() }
}

@Test func anotherAuthority() throws {
    let client = ClientContext.Configuration(authorityFile: Certificates.path("other-ca.pem"))
    let pair = try Pair(client: client)
    let reason = "unable to get local issuer certificate"
    #expect(throws: Pair.Ended.client(.certificateRefused(reason: reason))) { try pair.run() }
}

/// What the client offers by ALPN; only `h2` among others is agreed on, and the client is told by an alert.
@Test(arguments: [[], ["http/1.1"], ["h2c", "h", "2"], ["h22", "xh2"]] as [[String]]) func withoutH2(offer: [String])
    throws
{
    var client = ClientContext.Configuration(authorityFile: Pair.authority)
    client.applicationProtocols = offer
    let pair = try Pair(client: client)
    #expect(throws: Pair.Ended.server(.noApplicationProtocol)) { try pair.run() }
    #expect(throws: Pair.Ended.client(.alert(120))) { try pair.rest() }
}

@Test func h2AmongOthers() throws {
    var client = ClientContext.Configuration(authorityFile: Pair.authority)
    client.applicationProtocols = ["http/1.1", "grpc-exp", "h2"]
    let pair = try Pair(client: client)
    try pair.run()
    #expect(pair.server.negotiatedProtocol == "h2")
}

@Test func version12OnlyWhenAllowed() throws {
    var client = ClientContext.Configuration(authorityFile: Pair.authority)
    client.minimumVersion = .tls12
    client.maximumVersion = .tls12
    let refused = try Pair(client: client)
    #expect(throws: Pair.Ended.server(.version)) { try refused.run() }
    #expect(throws: Pair.Ended.client(.alert(70))) { try refused.rest() }

    var server = Pair.serverConfiguration()
    server.minimumVersion = .tls12
    let allowed = try Pair(server: server, client: client)
    try allowed.run()
    try allowed.client.seal(pattern(50_000))
    try allowed.run()
    #expect(allowed.server.version == .tls12 && allowed.client.negotiatedProtocol == "h2")
    #expect(allowed.takeAtServer() == pattern(50_000))
}

private func demanding() -> ServerContext.Configuration {
    var server = Pair.serverConfiguration()
    server.clientAuthorityFile = Pair.authority
    return server
}

private func showing(_ name: String?) -> ClientContext.Configuration {
    ClientContext.Configuration(
        authorityFile: Pair.authority, certificateFile: name.map { Certificates.path("\($0).pem") },
        keyFile: name.map { Certificates.path("\($0).key") })
}

@Test func aClientCertificateSaysWhoItIs() throws {
    let pair = try Pair(server: demanding(), client: showing("client"))
    try pair.run()
    let peer = try #require(pair.server.peer)
    #expect(peer.subject == "CN=billing,O=Example")
    #expect(peer.dnsNames == ["billing.example.org"] && peer.uris == ["spiffe://example.org/billing"])
}

@Test(
    arguments: [
        (nil, TLSError.certificateMissing, 116),
        ("stranger", .certificateRefused(reason: "unable to get local issuer certificate"), 48),
        // Signed by the right authority, but for servers.
        ("server", .certificateRefused(reason: "unsuitable certificate purpose"), 43),
    ] as [(String?, TLSError, UInt8)])
func clientsThatAreNotLetIn(name: String?, error: TLSError, alert: UInt8) throws {
    let pair = try Pair(server: demanding(), client: showing(name))
    #expect(throws: Pair.Ended.server(error)) { try pair.run() }
    #expect(throws: Pair.Ended.client(.alert(alert))) { try pair.rest() }
    // It stays so.
    var plaintext = ByteQueue()
    #expect(throws: error) { try pair.server.open(.empty, into: &plaintext) }
    #expect(throws: error) { try pair.server.seal([1]) }
}

/// A client that shows somebody's certificate and closes before it proves that it has the key is nobody.
@Test(arguments: [0, 1, 2, 3]) func closingInAHandshake(rounds: Int) throws {
    var server = demanding()
    server.minimumVersion = .tls12
    var client = showing("client")
    client.minimumVersion = .tls12
    client.maximumVersion = .tls12
    let pair = try Pair(server: server, client: client)
    let sent = try pair.recordsAfterHello().prefix(rounds)
    var plaintext = ByteQueue()
    for record in sent { try pair.server.open(record, into: &plaintext) }
    #expect(throws: TLSError.alert(0)) { try pair.server.open([21, 3, 3, 0, 2, 1, 0], into: &plaintext) }
    #expect(pair.server.isHandshaking && pair.server.peer == nil)
}
