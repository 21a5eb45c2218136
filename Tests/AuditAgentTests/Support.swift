// Enters: seeds. Leaves: keys, clocks, sockets and servers of a test, the same in each run.
import Audit
import Cryptography
import Foundation
import Keyrings
import Memory
import TestSupport
import Testing

@testable import AuditAgent
@testable import RecordRing

/// A folder that goes with its owner.
final class Place: Sendable {
    let folder = NSTemporaryDirectory() + "vencejo-agent-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? [] }
}

/// The four rings in a folder, each with one key.
func makeKeyrings(_ folder: String) throws {
    for purpose in [KeyPurpose.audit, .checkpoint, .subjectStore, .subjectIndex] {
        var editor = try KeyringEditor(path: "\(folder)/\(purpose.rawValue)", purpose: purpose)
        _ = try editor.add("\(purpose.rawValue)-1")
    }
}

/// Rings that no test changes.
enum SharedKeyrings {
    static let place: Place = {
        do {
            let place = try Place()
            try makeKeyrings(place.folder)
            return place
        } catch {
            preconditionFailure("\(error)")
        }
    }()
}

let startUnixNanoseconds: UInt64 = 1_785_240_000_000_000_000

final class VirtualClock: AgentClock {
    var now = AgentTime(unixNanoseconds: startUnixNanoseconds, nanoseconds: 1_000_000_000_000)
    var state = ClockState(status: 1, maxErrorMicroseconds: 85, estErrorMicroseconds: 12)

    func pass(_ nanoseconds: UInt64) {
        now.unixNanoseconds += nanoseconds
        now.nanoseconds += nanoseconds
    }
}

/// A server's end of its sockets.
final class ModelSockets: AcknowledgementSockets {
    var isListening = true
    var isFull = false
    /// In order, of all rings. Not the hello.
    private(set) var received: [(path: String, Acknowledgement)] = []
    private(set) var hellos: [(path: String, AgentHello)] = []
    private(set) var removed: [String] = []
    /// What must hold when a packet of acknowledgements comes.
    var check: () -> Bool = { true }
    private(set) var unchecked = 0
    /// Connections of an earlier number are closed.
    private(set) var generation = 0

    func closeAll() { generation += 1 }

    func connect(_ path: String) -> (any AcknowledgementSocket)? { isListening ? ModelSocket(self, path) : nil }
    func remove(_ path: String) { removed.append(path) }

    fileprivate func take(_ path: String, _ packet: [UInt8], isFirst: Bool) {
        ByteView.lending(packet) { view in
            do {
                if isFirst {
                    hellos.append((path, try AgentHello(parsing: view)))
                } else {
                    if !check() { unchecked += 1 }
                    for number in 0..<(try Acknowledgement.count(in: view)) {
                        received.append((path, try Acknowledgement(parsing: view, at: number, rings: 1024)))
                    }
                }
            } catch {
                Issue.record("\(error)")
            }
        }
    }
}

private final class ModelSocket: AcknowledgementSocket {
    private let sockets: ModelSockets
    private let path: String
    private let generation: Int
    private var isFirst = true

    init(_ sockets: ModelSockets, _ path: String) {
        (self.sockets, self.path, generation) = (sockets, path, sockets.generation)
    }

    func send(_ packet: [UInt8]) -> Bool {
        guard !sockets.isFull, !isClosed else { return false }
        sockets.take(path, packet, isFirst: isFirst)
        isFirst = false
        return true
    }

    var isClosed: Bool { generation != sockets.generation }
}

/// Payload keys that outlive the agent, if it made them durable.
final class KeyStore {
    var durable: [[UInt8]: PayloadKey] = [:]
    fileprivate var pending: [[UInt8]: PayloadKey] = [:]
    fileprivate var random = SplitMix(seed: 77)

    func key(named name: [UInt8]) -> Secret? { durable.values.first { $0.name == name }?.key }
}

struct MemoryKeys: PayloadKeySource {
    let store: KeyStore

    init(_ store: KeyStore) {
        self.store = store
        store.pending = [:]
    }

    mutating func key(subject: [UInt8], month: UInt32) -> PayloadKey {
        let name = subject + raw([month])
        if let key = store.durable[name] ?? store.pending[name] { return key }
        let key = PayloadKey(
            name: store.random.bytes(8), subject: subject, month: month, isHeld: false,
            key: Secret(copying: store.random.bytes(32).raw))
        store.pending[name] = key
        return key
    }

    mutating func flush() throws(VolumeError) {
        store.durable.merge(store.pending) { $1 }
        store.pending = [:]
    }
}

/// One thread of a server.
final class Shard {
    var writer: RecordRingWriter
    private(set) var written: UInt64 = 0

    init(_ writer: consuming RecordRingWriter) { self.writer = writer }

    /// False: there is no room.
    @discardableResult func write(_ call: RingCall) -> Bool {
        let bytes = RecordLayout.callBytes(
            labels: call.labels.bytes.count, request: call.request.bytes.count, answer: call.answer.bytes.count)
        guard let credit = writer.reserve(bytes: bytes) else { return false }
        written = writer.write(call, using: credit)
        return true
    }

    @discardableResult func write(_ kind: RecordKind, _ event: [UInt8], at time: UInt64 = startUnixNanoseconds) -> Bool
    {
        guard let credit = writer.reserve(bytes: RecordLayout.eventBytes(payload: event.count)) else { return false }
        written = writer.write(kind, startUnixNanoseconds: time, payload: kept(event), using: credit)
        return true
    }
}

/// A server's life: it ends with this.
final class Server {
    let shards: [Shard]
    let path: String
    let instance: UInt64
    private let rings: RecordRings

    init(
        _ folder: String, instance: UInt64 = 0x0102_0304_0506_0708, rings count: Int = 2, words: Int = 4096,
        patience: UInt64 = 0
    ) throws {
        let made = try RecordRings(
            folder: folder, instance: RecordInstance(high: instance, low: ~instance), rings: count, wordsPerRing: words,
            mode: .acknowledge, patienceNanoseconds: patience)
        rings = made
        self.instance = instance
        shards = (0..<count).map { Shard(made.writer($0)) }
        path = folder + "/" + made.instance.fileName
    }

    var words: SharedWords { rings.file.words }
}

private let owners = Lock<[OwnedBytes]>([])

/// A view that lives as long as the process.
func kept(_ bytes: [UInt8]) -> ByteView {
    let owner = OwnedBytes(bytes)
    owners.withLock { $0.append(owner) }
    return owner.view
}

func kept(_ text: String) -> ByteView { kept(Array(text.utf8)) }

func labels(_ pairs: [([UInt8], [UInt8])]) -> RecordLabels {
    let bytes = pairs.flatMap { raw([UInt16($0.count), UInt16($1.count)]) + $0 + $1 }
    guard let labels = RecordLabels(checking: kept(bytes), count: pairs.count) else {
        preconditionFailure("labels that cannot be read")
    }
    return labels
}

func call(_ number: UInt64, subject: String = "") -> RingCall {
    var call = RingCall()
    call.startUnixNanoseconds = startUnixNanoseconds + number
    call.method = kept("vencejo.v1.PredictionService/Predict")
    call.principal = kept("desk-7")
    call.subject = kept(subject)
    call.rows = UInt32(number)
    call.request = .copy(kept("request \(number)"))
    call.answer = .copy(kept("answer"))
    return call
}
