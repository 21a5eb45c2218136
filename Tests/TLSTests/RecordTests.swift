import Memory
import TestSupport
import Testing

@testable import TLS

@Test func dataOfEverySizeBothWays() throws {
    let pair = try Pair()
    try pair.run()
    for size in [0, 1, 2, 100, 1023, 16383, 16384, 16385, 32768, 65537, 100_000] {
        try pair.client.seal(pattern(size))
        try pair.server.seal(pattern(size + 1))
        try pair.run()
        #expect(pair.takeAtServer() == pattern(size))
        #expect(pair.takeAtClient() == pattern(size + 1))
    }
}

@Test(arguments: [1, 5, 17, 1000, 16406, 20_000]) func piecesOfRecords(step: Int) throws {
    let pair = try Pair()
    try pair.run(step: step)
    try pair.client.seal(pattern(40_000))
    try pair.run(step: step)
    #expect(pair.takeAtServer() == pattern(40_000))
}

@Test func nothingIsSealedInAHandshake() throws {
    let pair = try Pair()
    #expect(throws: TLSError.handshaking) { try pair.server.seal([1]) }
    #expect(throws: TLSError.handshaking) { try pair.client.seal([1]) }
    try pair.run()
    try pair.server.seal([1])
}

@Test func closingIsSaid() throws {
    let pair = try Pair()
    pair.server.close()
    #expect(pair.server.ciphertext.view.isEmpty)
    try pair.run()
    try pair.client.seal(pattern(10))
    pair.client.close()
    try pair.run()
    #expect(pair.server.state == .closed && pair.takeAtServer() == pattern(10))
    // What comes after is not looked at, and what we had to say may still be said.
    var plaintext = ByteQueue()
    #expect(try pair.server.open(ByteView("garbage"), into: &plaintext) == .closed)
    try pair.server.seal(pattern(20))
    pair.server.close()
    try pair.run()
    #expect(pair.takeAtClient() == pattern(20) && pair.client.state == .closed)
    #expect(throws: TLSError.self) { try pair.client.seal([1]) }
}

@Test func aCutIsNotAClose() throws {
    let pair = try Pair()
    try pair.run()
    try pair.client.seal(pattern(100))
    var plaintext = ByteQueue()
    let cut = pair.client.ciphertext.view
    #expect(try pair.server.open(cut.prefix(cut.count - 1), into: &plaintext) == .open)
    #expect(plaintext.view.isEmpty)
    #expect(try pair.server.open(cut.dropFirst(cut.count - 1), into: &plaintext) == .open)
    #expect(plaintext.view.array == pattern(100))
}

@Test func aChangedRecordIsRefused() throws {
    for position in [0, 1, 3, 5, 20, 121] {
        let pair = try Pair()
        try pair.run()
        try pair.client.seal(pattern(100))
        var record = pair.client.ciphertext.view.array
        #expect(record.count == 122)
        record[position] ^= 1
        var changed = ByteQueue()
        var plaintext = ByteQueue()
        changed.append(record)
        // A longer length waits for bytes that do not come; give some.
        changed.append([UInt8](repeating: 0, count: 300))
        #expect(throws: TLSError.self) { try pair.server.open(changed.view, into: &plaintext) }
        #expect(plaintext.view.isEmpty)
    }
}

@Test(arguments: [
    "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\0\0\0\0\0", "CONNECT a HTTP/1.1\r\n",
])
func whatIsNotTLS(text: String) throws {
    let server = try ServerContext(Pair.serverConfiguration()).connection()
    var bytes = ByteQueue()
    var plaintext = ByteQueue()
    bytes.append(Array(text.utf8))
    #expect(throws: TLSError.notTLS) { try server.open(bytes.view, into: &plaintext) }
    #expect(plaintext.view.isEmpty)
}

/// Whatever comes, and wherever it breaks: an error or a wait, and no plaintext.
@Test func randomBytes() throws {
    var random = SplitMix(seed: 20_261_121)
    let context = try ServerContext(Pair.serverConfiguration())
    let client = try ClientContext(ClientContext.Configuration(authorityFile: Pair.authority))
    var plaintext = ByteQueue()
    for number in 0..<2000 {
        let server = try context.connection()
        let hello = try client.connection(to: "localhost")
        _ = try hello.open(.empty, into: &plaintext)
        var bytes = hello.ciphertext.view.array
        for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = random.byte() }
        var sent = ByteQueue()
        sent.append(bytes)
        _ = try? server.open(sent.view, into: &plaintext)
        _ = try? server.open(sent.view, into: &plaintext)
        #expect(plaintext.view.isEmpty && server.state == .handshaking, "connection \(number)")
    }
}
