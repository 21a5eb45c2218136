// Enters: addresses; bytes. Leaves: a connected socket that is waited for. The client's only place that waits.
import Foundation
import Memory
import Reactor

/// One connected socket, and the poller that waits for it.
struct Wire: ~Copyable {
    let address: Address
    let socket: Socket
    private let poller: Poller

    private init(_ address: Address, _ socket: consuming Socket, _ poller: consuming Poller) {
        self.address = address
        self.socket = socket
        self.poller = poller
    }

    /// Connects, until `deadline` at the latest.
    static func connect(to address: Address, until deadline: Int64) throws(SystemError) -> Wire {
        let wire = Wire(address, try Socket(connecting: address), try Poller(eventsMax: 1))
        try wire.poller.add(wire.socket.rawValue, key: 0, write: true)
        guard try wire.wait(toWrite: true, until: deadline) else { throw SystemError(code: ETIMEDOUT) }
        // A connection that failed tells why when it is read from; one that stands has nothing to read yet.
        var nothing = ByteQueue()
        if wire.poller[0].hasFailed { _ = try wire.socket.read(into: &nothing, bytesMax: 1) }
        return wire
    }

    /// Waits until something can be read, or also written.
    /// - Returns: whether it can; `false`: the deadline has passed.
    func wait(toWrite: Bool, until deadline: Int64) throws(SystemError) -> Bool {
        try poller.change(socket.rawValue, key: 0, write: toWrite)
        let milliseconds = (deadline - Clock.now() + 999_999) / 1_000_000
        guard milliseconds > 0 else { return false }
        return try poller.wait(milliseconds: Int32(clamping: milliseconds)) > 0 || Clock.now() < deadline
    }
}
