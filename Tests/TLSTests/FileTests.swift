import Testing

@testable import TLS

private func error(certificate: String = "server.pem", key: String = "server.key", clients: String? = nil) -> String? {
    let configuration = ServerContext.Configuration(
        certificateFile: Certificates.path(certificate), keyFile: Certificates.path(key),
        clientAuthorityFile: clients.map(Certificates.path))
    let error = #expect(throws: TLSError.self) { try ServerContext(configuration) }
    return error?.description.replacing(Certificates.path(""), with: "")
}

private let noCertificate =
    "holds no certificate in PEM form ('-----BEGIN CERTIFICATE-----'); give the chain, its own certificate first"
private let noKey = "holds no private key in PEM form ('-----BEGIN PRIVATE KEY-----'); give the key of the certificate"

@Test(arguments: [
    ("missing.pem", "the file 'missing.pem' cannot be read: No such file or directory"),
    ("empty.pem", "'empty.pem' \(noCertificate)"), ("text.pem", "'text.pem' \(noCertificate)"),
    ("server.key", "'server.key' \(noCertificate)"),
    ("weak.pem", "'weak.pem' cannot be used: ee key too small"),
])
func certificateFiles(file: String, sentence: String) { #expect(error(certificate: file) == sentence) }

@Test func aDamagedCertificate() {
    // The reason is libssl's, and differs from version to version.
    #expect(error(certificate: "cut.pem")?.hasPrefix("'cut.pem' cannot be used: ") == true)
}

@Test(arguments: [
    ("missing.key", "the file 'missing.key' cannot be read: No such file or directory"),
    ("empty.pem", "'empty.pem' \(noKey)"), ("text.pem", "'text.pem' \(noKey)"),
    ("server.pem", "'server.pem' \(noKey)"),
    (
        "client.key",
        "the private key in 'client.key' does not belong to the first certificate in 'server.pem'; give the two that were "
            + "made together"
    ),
    (
        "encrypted.key",
        "the private key in 'encrypted.key' is encrypted with a passphrase; give it without one, in a file that only this "
            + "server may read"
    ),
    (
        "encrypted8.key",
        "the private key in 'encrypted8.key' is encrypted with a passphrase; give it without one, in a file that only this "
            + "server may read"
    ),
])
func keyFiles(file: String, sentence: String) { #expect(error(key: file) == sentence) }

@Test(arguments: [
    ("missing.pem", "the file 'missing.pem' cannot be read: No such file or directory"),
    ("empty.pem", "'empty.pem' \(noCertificate)"), ("server.key", "'server.key' \(noCertificate)"),
])
func authorityFiles(file: String, sentence: String) { #expect(error(clients: file) == sentence) }

@Test func aClientsFiles() {
    let configuration = ClientContext.Configuration(authorityFile: Certificates.path("text.pem"))
    #expect(throws: TLSError.noCertificate(file: Certificates.path("text.pem"))) { try ClientContext(configuration) }
    // The system's authorities, when none are given.
    #expect(throws: Never.self) { try ClientContext(ClientContext.Configuration()) }
}
