// Enters: nothing. Leaves: a folder of certificates and keys, made once a run by the openssl command.
import Foundation
import Glibc

/// `ca.pem` signs `server` (localhost, 127.0.0.1) and `client` (CN=billing, a SPIFFE URI); `other-ca.pem` signs `stranger`.
/// Each has `NAME.pem` and `NAME.key`.
enum Certificates {
    static func path(_ name: String) -> String { folder + "/" + name }

    private static let folder: String = {
        var template = Array((NSTemporaryDirectory() + "vencejo-tls-XXXXXX").utf8CString)
        let folder = unsafe String(cString: mkdtemp(&template))
        // The run's end is the only one who knows when nobody needs it any more.
        atexit { try? FileManager.default.removeItem(atPath: Certificates.folder) }
        for authority in ["ca", "other-ca"] {
            openssl(
                folder,
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=\(authority) "
                    + "-keyout \(authority).key -out \(authority).pem")
        }
        sign(folder, "server", "/CN=server", by: "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1", "serverAuth")
        sign(
            folder, "client", "/O=Example/CN=billing", by: "ca",
            "subjectAltName=DNS:billing.example.org,URI:spiffe://example.org/billing", "clientAuth")
        sign(
            folder, "stranger", "/CN=stranger", by: "other-ca", "subjectAltName=DNS:localhost", "serverAuth,clientAuth")
        openssl(folder, "ec -in server.key -aes128 -passout pass:secret -out encrypted.key")
        openssl(folder, "pkcs8 -topk8 -in server.key -passout pass:secret -out encrypted8.key")
        openssl(folder, "req -x509 -newkey rsa:1024 -nodes -days 2 -subj /CN=weak -keyout weak.key -out weak.pem")
        for (name, content) in [("empty.pem", ""), ("text.pem", "hello\n"), ("cut.pem", cut)] {
            try! Data(content.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
        }
        return folder
    }()

    private static let cut = "-----BEGIN CERTIFICATE-----\nMIIBszCC\n-----END CERTIFICATE-----\n"

    private static func sign(
        _ folder: String, _ name: String, _ subject: String, by authority: String, _ names: String, _ use: String
    ) {
        let extensions = "\(names)\nextendedKeyUsage=\(use)\n"
        try! Data(extensions.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name).ext"))
        openssl(
            folder,
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \(subject) -keyout \(name).key -out \(name).csr"
        )
        openssl(
            folder,
            "x509 -req -in \(name).csr -CA \(authority).pem -CAkey \(authority).key -CAcreateserial -days 2 "
                + "-extfile \(name).ext -out \(name).pem")
    }

    private static func openssl(_ folder: String, _ arguments: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try! process.run()
        process.waitUntilExit()
        precondition(process.terminationStatus == 0, "openssl \(arguments) failed")
    }
}
