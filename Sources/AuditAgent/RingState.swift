// Enters: one ring of a server, and what is durable of it. Leaves: acknowledgements to its socket.
internal import Memory
internal import RecordRing

/// A ring that is read, and the socket that its acknowledgements go to.
final class RingState {
    let reader: RecordRingReader
    let source: (instance: UInt64, ring: Int)
    private let socketPath: String
    private var socket: (any AcknowledgementSocket)?
    /// Durable, and not yet sent. Of more than a server keeps the oldest are left out.
    private var pending: [Acknowledgement] = []
    /// It has places in the batch that is made.
    var isInBatch = false
    /// All that was there was read.
    var isAtEnd = false
    /// Why it cannot be read on, found when its durable records were passed over.
    var fault: RecordRingError?
    /// After a fault it is left alone for a while: what a broken server writes must not fill the log with alarms.
    private var restsUntil: UInt64 = 0
    private var faults = 0
    private var faultAt: UInt64 = 0

    /// How long its records may wait, as no answer waits for them; and when some were read last.
    private let patience: UInt64
    private var readAt: UInt64 = 0
    private static let fillMax = 0.25

    init(_ reader: RecordRingReader, instance: UInt64, ringPath: String, patience: UInt64) {
        self.reader = reader
        self.patience = patience
        source = (instance, reader.ring)
        socketPath = "\(ringPath.dropLast(RingState.suffixBytes)).\(reader.ring).sock"
    }

    /// ".ring"
    private static let suffixBytes = 5
    private static let second: UInt64 = 1_000_000_000
    private static let restSecondsMax: UInt64 = 60
    private static let forgottenAfter: UInt64 = 600 * second

    func rests(at nanoseconds: UInt64) -> Bool { nanoseconds < restsUntil }

    /// Fewer and larger batches: each costs a write and a sync. Never so long that the ring might be full.
    func mayWait(at nanoseconds: UInt64) -> Bool {
        isAtEnd && nanoseconds < readAt + patience && reader.waiting?.fill ?? 1 < Self.fillMax
    }

    func noteRead(at nanoseconds: UInt64) { readAt = nanoseconds }

    /// 1 s after the first fault, then twice as long each time, up to a minute.
    func rest(at nanoseconds: UInt64) {
        if nanoseconds &- faultAt > Self.forgottenAfter { faults = 0 }
        faultAt = nanoseconds
        restsUntil = nanoseconds + min(Self.restSecondsMax, 1 << UInt64(min(faults, 6))) * Self.second
        faults += 1
    }

    // MARK: Acknowledgements

    /// `count` records up to `sequence` are durable, the last one at `index`.
    func add(count: UInt32, sequence: UInt64, index: UInt64) {
        if pending.count == Acknowledgement.countMax { pending.removeFirst() }
        pending.append(
            Acknowledgement(ring: UInt32(source.ring), count: count, sequence: sequence, index: index))
    }

    func send() {
        guard let socket, !pending.isEmpty else { return }
        if socket.send(Acknowledgement.packet(pending)) { pending.removeAll(keepingCapacity: true) } else { close() }
    }

    /// Connects if it is not connected. `size`: durable entries of the log.
    func look(_ sockets: any AcknowledgementSockets, logID: AuditLogID, size: UInt64) {
        if let socket {
            if socket.isClosed { close() }
            return
        }
        guard let opened = sockets.connect(socketPath) else { return }
        // The log has at least so many; the server takes no index below that.
        let size = pending.first.map { $0.index - (UInt64($0.count) - 1) } ?? size
        guard opened.send(AgentHello(logID: logID, size: size).packet) else { return }
        socket = opened
        send()
    }

    func close() { socket = nil }

    func remove(_ sockets: any AcknowledgementSockets) {
        close()
        sockets.remove(socketPath)
    }
}

/// One life of a server: its ring file.
final class ServerLife {
    let file: RecordRingFile
    let rings: [RingState]
    /// No process writes it any more; seen before its rings were read to their end.
    var isDead = false
    /// The server said that it ends.
    var hasEnded = false
    /// The log says that it was lost.
    var isRecordedAsLost = false
    /// It cannot be read any more.
    var isFailed = false
    var isTold = false

    init(_ file: RecordRingFile, rings: [RingState]) {
        self.file = file
        self.rings = rings
    }

    var isDrained: Bool { isDead && rings.allSatisfy(\.isAtEnd) }
}
