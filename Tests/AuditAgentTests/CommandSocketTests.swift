import AuditAgent
import Foundation
import Glibc
import Testing

private let ana = CommandSubject(id: "ana", reason: "asked", principal: "")

// MARK: The server, with peers in memory

private final class FakePeer: CommandConnection {
    let uid: UInt32
    var incoming: [UInt8]
    var ends = false
    /// Bytes that it takes in one call.
    var takes = Int.max
    var received: [UInt8] = []
    var isClosed = false

    init(_ line: String, uid: UInt32 = 1000) { (incoming, self.uid) = (Array(line.utf8), uid) }

    func read(_ bytesMax: Int) -> [UInt8]? {
        let bytes = Array(incoming.prefix(bytesMax))
        incoming.removeFirst(bytes.count)
        return bytes.isEmpty && ends ? nil : bytes
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Int? {
        let count = min(takes, bytes.count)
        received += bytes.prefix(count)
        return count
    }

    func close() { isClosed = true }

    var reply: CommandReply? { CommandReply(reading: received.dropLast()) }
}

private final class FakeListener: CommandListener {
    var waiting: [FakePeer] = []
    func accept() -> (any CommandConnection)? { waiting.isEmpty ? nil : waiting.removeFirst() }
}

private let second: UInt64 = 1_000_000_000

@Test func aRequestInPieces() throws {
    let (listener, peer) = (FakeListener(), FakePeer(""))
    listener.waiting = [peer]
    var server = CommandServer(listener, uid: 1000)
    for byte in CommandRequest.erase(ana).line.dropLast() {
        peer.incoming = [byte]
        #expect(server.poll(now: 0) == nil)
    }
    peer.incoming = [0x0a]
    let polled = server.poll(now: 0)
    let call = try #require(polled)
    #expect(call.request == .erase(ana) && call.uid == 1000 && !peer.isClosed)
    #expect(server.poll(now: 100 * second) == nil && !peer.isClosed, "the agent may take its time")
    peer.takes = 7
    server.answer(call, CommandReply(.done, "1 payload key"), now: 100 * second)
    while !peer.isClosed { #expect(server.poll(now: 100 * second) == nil) }
    #expect(peer.reply == CommandReply(.done, "1 payload key") && server.connectionCount == 0)
}

@Test func badPeers() {
    let long = String(repeating: " ", count: CommandRequest.lineBytesMax + 1)
    for (line, uid, sentence) in [
        (#"{"v":1,"command":"status"}"# + "\n", 1001, "not from user 1001"), ("what\n", 1000, "not understood"),
        (#"{"v":1,"command":"status"}"# + "\nmore", 1000, "more follows"), (long, 1000, "more than 65536 bytes"),
    ] as [(String, UInt32, String)] {
        let (listener, peer) = (FakeListener(), FakePeer(line, uid: uid))
        listener.waiting = [peer]
        var server = CommandServer(listener, uid: 1000)
        for _ in 0..<8 { #expect(server.poll(now: 0) == nil) }
        #expect(peer.isClosed && server.connectionCount == 0)
        #expect(peer.reply?.result == .failed && peer.reply?.sentence.contains(sentence) == true)
    }
}

@Test func slowPeersAreDisconnected() throws {
    let listener = FakeListener()
    let silent = FakePeer("{")
    let deaf = FakePeer(#"{"v":1,"command":"status"}"# + "\n", uid: 0)
    deaf.takes = 0
    let gone = FakePeer("{")
    gone.ends = true
    listener.waiting = [silent, deaf, gone]
    var server = CommandServer(listener, uid: 1000)
    let polled = server.poll(now: second)
    let call = try #require(polled)
    for _ in 0..<2 { #expect(server.poll(now: second) == nil) }
    #expect(call.uid == 0 && gone.isClosed && !silent.isClosed)
    server.answer(call, CommandReply(.done, ""), now: 4 * second)
    #expect(server.poll(now: 6 * second) == nil && silent.isClosed && !deaf.isClosed)
    #expect(server.poll(now: 9 * second) == nil && deaf.isClosed && server.connectionCount == 0)
}

@Test func moreWait() throws {
    let listener = FakeListener()
    let peers = (0..<20).map { _ in FakePeer(#"{"v":1,"command":"status"}"# + "\n") }
    listener.waiting = peers
    var server = CommandServer(listener, uid: 1000)
    var calls = 0
    for _ in 0..<100 {
        let call = server.poll(now: 0)
        #expect(server.connectionCount <= CommandServer<FakeListener>.connectionsMax)
        guard let call else { continue }
        calls += 1
        server.answer(call, CommandReply(.done, "\(calls)"), now: 0)
    }
    #expect(calls == 20 && peers.allSatisfy(\.isClosed) && peers.allSatisfy { $0.reply?.result == .done })
}

// MARK: Over a socket

@Test func overASocket() throws {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory()).appending(path: "agent-\(getpid())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "agent.sock").path
    #expect(try CommandSocketClient.ask(path, .status) == nil, "no agent listens")
    do {
        let mode = try serve(path, count: 2) { call in
            CommandReply(.done, "\(call.request) from \(call.uid)")
        } clients: {
            for request in [.status, .erase(ana)] as [CommandRequest] {
                let reply = try CommandSocketClient.ask(path, request)
                #expect(reply?.sentence == "\(request) from \(getuid())")
            }
        }
        #expect(mode == S_IFSOCK | 0o600)
    }
    #expect(try CommandSocketClient.ask(path, .status) == nil, "the agent has ended")
    try Data("x".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: (any Error).self) { _ = try CommandSocket(path) }
    #expect(throws: (any Error).self) { _ = try CommandSocket("/" + String(repeating: "x", count: 107)) }
}

/// Serves `count` requests on a thread of its own while `clients` runs. - Returns: the socket's mode.
private func serve(
    _ path: String, count: Int, _ body: @escaping @Sendable (CommandCall) -> CommandReply, clients: () throws -> Void
) throws -> mode_t {
    let socket = try CommandSocket(path)
    var status = stat()
    unsafe stat(path, &status)
    let box = Box(CommandServer(socket, uid: getuid()))
    let thread = Thread {
        var left = count
        while left > 0 || (box.server?.connectionCount ?? 0) > 0 {
            if let call = box.server?.poll(now: 0) {
                box.server?.answer(call, body(call), now: 0)
                left -= 1
            } else {
                sched_yield()
            }
        }
        box.server = nil
        box.done.signal()
    }
    thread.start()
    try clients()
    #expect(box.done.wait(timeout: .now() + 60) == .success)
    return status.st_mode
}

private final class Box: @unchecked Sendable {
    var server: CommandServer<CommandSocket>?
    let done = DispatchSemaphore(value: 0)
    init(_ server: CommandServer<CommandSocket>) { self.server = server }
}
