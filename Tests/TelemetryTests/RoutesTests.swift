// Enters: requests. Leaves: their answers.
import GRPC
import Memory
import TestSupport
import Testing

@testable import Telemetry

private func ask(_ path: String, _ method: String = "GET", accept: String? = nil, encoding: String? = nil) -> Reply {
    Routes.reply(Question(method: method, path: path, accept: accept, acceptEncoding: encoding)) { format in
        Array(String(repeating: "\(format) ", count: 1000).utf8)
    }
}

private func header(_ reply: Reply, _ name: String) -> String? { reply.headers.first { $0.name == name }?.value }

@Test(arguments: ["GET", "HEAD"]) func metricsAreAlwaysTyped(method: String) {
    let reply = ask("/metrics", method)
    #expect(reply.status == 200 && header(reply, "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
    #expect(header(reply, "Vary") == "Accept, Accept-Encoding" && header(reply, "Content-Encoding") == nil)
    #expect(reply.body.starts(with: "text ".utf8))
    let triton = ask("/metrics/triton", method, accept: "application/openmetrics-text")
    #expect(header(triton, "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
    #expect(triton.body.starts(with: "triton ".utf8))
    let openMetrics = ask("/metrics", method, accept: "application/openmetrics-text")
    #expect(header(openMetrics, "Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8")
}

@Test func compressedWhereItIsOffered() throws {
    let reply = ask("/metrics", encoding: "gzip")
    #expect(header(reply, "Content-Encoding") == "gzip" && reply.body.count < 200)
    var arena = Arena(bytesMax: 1 << 20)
    let bytes = OwnedBytes(reply.body)
    #expect(try Gzip.inflate(bytes.view, bytesMax: 1 << 20, in: &arena).array == ask("/metrics").body)
    #expect(header(ask("/metrics", encoding: "gzip;q=0"), "Content-Encoding") == nil)
    #expect(header(ask("/healthz", encoding: "gzip"), "Content-Encoding") == nil)
}

@Test(arguments: [0, 1, 1000, 65_536, 3_000_000]) func whatever(bytes: Int) throws {
    var random = SplitMix(seed: UInt64(bytes))
    let noise = random.bytes(bytes)
    // What does not get shorter is not compressed.
    #expect(Compression.gzip(noise) == nil)
    let regular = noise.map { $0 & 3 }
    guard bytes >= 1000 else { return }
    let compressed = OwnedBytes(try #require(Compression.gzip(regular)))
    var arena = Arena(bytesMax: 8 << 20)
    #expect(try Gzip.inflate(compressed.view, bytesMax: 4 << 20, in: &arena).array == regular)
}

@Test func whatIsNotThere() {
    let reply = ask("/metric\n\u{1b}ñ")
    #expect(reply.status == 404)
    #expect(
        String(decoding: reply.body, as: UTF8.self)
            == "there is no \"/metric???\" here: ask for /metrics, /metrics/triton or /healthz\n")
    #expect(ask("/").status == 404 && ask("/metrics/").status == 404 && ask("", "POST").status == 404)
    #expect(ask("/" + String(repeating: "x", count: 10_000)).body.count < 300)
}

@Test(arguments: ["POST", "DELETE", "OPTIONS", "get", ""]) func whatCannotBeDone(method: String) {
    let reply = ask("/metrics", method)
    #expect(reply.status == 405 && header(reply, "Allow") == "GET, HEAD")
    #expect(String(decoding: reply.body, as: UTF8.self).hasSuffix("ask with GET or HEAD\n"))
}

@Test func health() { #expect(ask("/healthz").body == Array("ok\n".utf8)) }
