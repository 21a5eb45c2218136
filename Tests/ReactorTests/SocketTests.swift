// Enters: sockets of this machine. Leaves: bytes at the other end, and who is ready when. Waits for readiness, never sleeps.
import Glibc
import Memory
import Testing

@testable import Reactor

private func temporary(_ name: String) -> String { "/tmp/vencejo-\(getpid())-\(name)" }

private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

/// A listener and a connection to it, both ends.
private struct Ends: ~Copyable {
    let listener: Listener
    var near: Socket
    let far: Socket
    let poller: Poller

    init(_ text: String) throws {
        let listener = try Listener(try Address(text))
        let poller = try Poller()
        try poller.add(listener.rawValue, key: 1)
        let near = try Socket(connecting: listener.boundAddress)
        let far = try Self.accept(listener, poller)
        self.listener = listener
        self.poller = poller
        self.near = near
        self.far = far
    }

    private static func accept(_ listener: Listener, _ poller: borrowing Poller) throws -> Socket {
        while true {
            if let socket = try listener.accept() { return socket }
            _ = try poller.wait(milliseconds: 10_000)
        }
    }
}

/// Tests run at the same time: `test` keeps their names apart.
private func places(_ test: String) -> [String] {
    var places = ["127.0.0.1:0", "unix:@vencejo-test-\(getpid())-\(test)", "unix:" + temporary(test)]
    // Not everywhere is IPv6.
    if let address = try? Address("[::1]:0"), (try? Listener(address)) != nil { places.append("[::1]:0") }
    return places
}

@Test func bytesGoToAndFro() throws {
    for place in places("to-and-fro") {
        let ends = try Ends(place)
        try ends.poller.add(ends.far.rawValue, key: 2)
        #expect(try ends.poller.wait(milliseconds: 0) == 0, "\(place)")
        var inward = ByteQueue()
        guard case .blocked = try ends.far.read(into: &inward, bytesMax: 10) else {
            Issue.record("\(place): bytes before any were written")
            continue
        }
        // More than a kernel's buffers: both ends take turns.
        let part = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var content: [UInt8] = []
        for _ in 0..<128 { content += part }
        var queue = ByteQueue()
        queue.append(content)
        var isWritten = false
        var halts = 0
        while inward.count < content.count {
            if !isWritten {
                isWritten = try ends.near.write(&queue)
                #expect(isWritten == queue.isEmpty)
                if !isWritten { halts += 1 }
            }
            try #require(ends.poller.wait(milliseconds: 10_000) == 1)
            #expect(ends.poller[0].key == 2 && ends.poller[0].canRead && !ends.poller[0].canWrite)
            guard case .bytes(let count) = try ends.far.read(into: &inward, bytesMax: 1 << 20) else { continue }
            #expect(count > 0 && count <= 1 << 20)
        }
        #expect(isWritten && halts > 0, "\(place)")
        #expect(inward.view.array == content, "\(place)")
    }
}

@Test func anOutboxGoesOutInOrder() throws {
    let ends = try Ends("127.0.0.1:0")
    try ends.poller.add(ends.far.rawValue, key: 2)
    let large = OwnedBytes((0..<20_000).map { UInt8(truncatingIfNeeded: $0) })
    var outbox = Outbox()
    var expected: [UInt8] = []
    // More pieces than one call of the kernel takes.
    for number in 0..<1500 {
        outbox.append(ByteView("head"))
        expected += Array("head".utf8)
        if number % 3 == 0 { outbox.reference(large.view) }
        if number % 3 == 0 { expected += large.view.array }
    }
    let total = expected.count
    var inward = ByteQueue()
    var isWritten = false
    while inward.count < total {
        if !isWritten { isWritten = try ends.near.write(&outbox) }
        _ = try ends.poller.wait(milliseconds: 10_000)
        _ = try ends.far.read(into: &inward, bytesMax: 1 << 20)
    }
    #expect(isWritten && outbox.isEmpty)
    #expect(inward.view.array == expected)
}

@Test func theEndIsTold() throws {
    for place in places("end") {
        let ends = try Ends(place)
        try ends.poller.add(ends.far.rawValue, key: 3)
        var queue = ByteQueue()
        queue.append([1, 2, 3])
        #expect(try ends.near.write(&queue))
        ends.near.shutdownWriting()
        var inward = ByteQueue()
        var isClosed = false
        while !isClosed {
            try #require(ends.poller.wait(milliseconds: 10_000) == 1)
            #expect(ends.poller[0].key == 3)
            if case .closed = try ends.far.read(into: &inward, bytesMax: 100) { isClosed = true }
        }
        #expect(inward.view.array == [1, 2, 3])
        #expect(ends.poller[0].hasFailed && ends.poller[0].canRead)
        // The other direction still goes.
        queue.append([4])
        #expect(try ends.far.write(&queue))
    }
}

@Test func aPeerThatIsGoneIsAnErrorAndNoSignal() throws {
    var ends = try Ends("unix:@vencejo-test-\(getpid())-gone")
    var queue = ByteQueue()
    queue.append([1, 2, 3])
    // The first one is closed.
    ends.near = try Socket(connecting: ends.listener.boundAddress)
    var code: CInt = 0
    do throws(SystemError) { _ = try ends.far.write(&queue) } catch { code = error.code }
    #expect(code == EPIPE && queue.count == 3)
}

@Test func readinessToWriteIsToldWhenAskedFor() throws {
    let ends = try Ends("127.0.0.1:0")
    try ends.poller.add(ends.near.rawValue, key: 9, write: true)
    #expect(try ends.poller.wait(milliseconds: 10_000) == 1)
    #expect(ends.poller[0].key == 9 && ends.poller[0].canWrite && !ends.poller[0].canRead && !ends.poller[0].hasFailed)
    try ends.poller.change(ends.near.rawValue, key: 10, write: false)
    #expect(try ends.poller.wait(milliseconds: 0) == 0)
    try ends.poller.change(ends.near.rawValue, key: 11, write: true, read: false)
    #expect(try ends.poller.wait(milliseconds: 10_000) == 1)
    #expect(ends.poller[0].key == 11)
    ends.poller.remove(ends.near.rawValue)
    #expect(try ends.poller.wait(milliseconds: 0) == 0)
}

@Test func aPollerIsWokenFromAnotherThread() throws {
    let poller = try Poller()
    let wakeUp = try WakeUp()
    try poller.add(wakeUp.rawValue, key: 42)
    #expect(try poller.wait(milliseconds: 0) == 0)
    for _ in 0..<20 {
        let thread = try Thread.start("waker") { for _ in 0..<3 { wakeUp.signal() } }
        #expect(try poller.wait(milliseconds: 10_000) == 1)
        #expect(poller[0].key == 42 && poller[0].canRead)
        thread.join()
        // However often it was signalled, it is cleared once.
        wakeUp.clear()
        #expect(try poller.wait(milliseconds: 0) == 0)
    }
    wakeUp.clear()
    #expect(try poller.wait(milliseconds: 0) == 0)
}

@Test func shardsListenAtOnePort() throws {
    let first = try Listener(try Address("127.0.0.1:0"))
    let port = try #require(first.boundAddress.port)
    #expect(port != 0)
    let second = try Listener(beside: first)
    #expect(second.boundAddress == first.boundAddress && second.rawValue != first.rawValue)
    #expect(try first.accept() == nil)
}

/// What shards share among themselves nobody else gets a part of; who leaves it leaves it at once.
@Test func aPortThatIsListenedAtIsTaken() throws {
    let first = try Listener(try Address("127.0.0.1:0"))
    let second = try Listener(beside: first)
    let client = try Socket(connecting: first.boundAddress)
    let anywhere = try Address("0.0.0.0:\(try #require(first.boundAddress.port))")
    for address in [first.boundAddress, anywhere] {
        let error = try #require(throws: SystemError.self) { try Listener(address) }
        #expect(error.code == EADDRINUSE)
    }
    // Draining: connections are open still, and the next process may listen.
    first.stop()
    second.stop()
    let next = try Listener(first.boundAddress)
    #expect(next.boundAddress == first.boundAddress && client.rawValue >= 0)
}

@Test func unixSocketsAreFiles() throws {
    let path = temporary("file")
    let address = try Address("unix:" + path)
    do {
        let listener = try Listener(address)
        #expect(listener.boundAddress == address && exists(path))
        // In use: not taken over.
        let error = try #require(throws: SystemError.self) { try Listener(address) }
        #expect(error.code == EADDRINUSE && exists(path))
    }
    #expect(!exists(path))
    // Left behind by a process that died: in nobody's use.
    try leaveSocketFile(path)
    #expect(exists(path))
    do {
        let listener = try Listener(address)
        #expect(listener.boundAddress == address)
    }
    #expect(!exists(path))
}

/// Who drains leaves the path to who comes after.
@Test func aSuccessorKeepsItsSocketFile() throws {
    let path = temporary("successor")
    let address = try Address("unix:" + path)
    var first: Listener? = try Listener(address)
    first?.stop()
    let second = try Listener(address)
    first = nil
    #expect(exists(path) && first == nil)
    _ = try Socket(connecting: address)
    withExtendedLifetime(second) {}
}

/// What a process that was killed leaves: a socket's file without a listener.
private func leaveSocketFile(_ path: String) throws {
    let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(raw) }
    let result = try unsafe Address("unix:" + path).withSocketAddress { unsafe Int(bind(raw, $0, $1)) }
    try #require(result == 0)
}

@Test func whatIsNoSocketIsNotRemoved() throws {
    let path = temporary("precious")
    let file = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
    try #require(file >= 0)
    close(file)
    defer { unsafe unlink(path) }
    let error = try #require(throws: SystemError.self) { try Listener(try Address("unix:" + path)) }
    #expect(error.code == EADDRINUSE)
    #expect(exists(path))
}

@Test func aListenerWithAFullQueueIsNotRemoved() throws {
    let path = temporary("full")
    let address = try Address("unix:" + path)
    let listener = try Listener(address, backlog: 0)
    let waiting = try Socket(connecting: address)
    let error = try #require(throws: SystemError.self) { try Listener(address) }
    #expect(error.code == EADDRINUSE)
    #expect(exists(path) && waiting.rawValue >= 0 && listener.rawValue >= 0)
}

@Test func errorsHaveTypes() throws {
    let nobody = try Address("unix:@vencejo-test-\(getpid())-nobody")
    let refused = try #require(throws: SystemError.self) { _ = try Socket(connecting: nobody) }
    #expect(refused.code == ECONNREFUSED && refused.description == "Connection refused")
    let foreign = try #require(throws: SystemError.self) { try Listener(try Address("192.0.2.1:0")) }
    #expect(foreign.code == EADDRNOTAVAIL)
    let nowhere = try #require(throws: SystemError.self) { try Listener(try Address("unix:/nonexistent/x")) }
    #expect(nowhere.code == ENOENT)
}

@Test func theClockGoesForward() {
    let first = Clock.now()
    let second = Clock.now()
    #expect(first > 0 && second >= first)
}

@Test func aPollerWaitsForPartsOfAMillisecond() throws {
    let poller = try Poller()
    for nanoseconds in [-1, 0, 300_000, 1_500_000] as [Int64] {
        let begin = Clock.now()
        #expect(try poller.wait(nanoseconds: nanoseconds) == 0 && Clock.now() - begin >= nanoseconds)
    }
    let event = try WakeUp()
    try poller.add(event.rawValue, key: 5)
    event.signal()
    #expect(try poller.wait(nanoseconds: .max) == 1 && poller[0].key == 5)
}

@Test func processorTimeIsCounted() throws {
    let first = try Clock.processorNanoseconds()
    while try Clock.processorNanoseconds() < first + 1_000_000 {}
    #expect(try Clock.processorNanoseconds(of: getpid()) > first)
    let nobody = try #require(throws: SystemError.self) { try Clock.processorNanoseconds(of: 4_194_305) }
    #expect(nobody.code == ESRCH)
}
