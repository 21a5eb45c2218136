// Enters: seeds. Leaves: folders, server lives and calls that can be told apart, the same in each run.
import Foundation
import Memory
import TestSupport

@testable import RecordRing

/// A folder that goes with its owner.
final class Place: Sendable {
    let folder = NSTemporaryDirectory() + "vencejo-ring-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? [] }
}

/// Credit in a place that a test can keep in an array.
final class Held {
    private var credit: RecordCredit?
    let seed: UInt64

    init(_ credit: consuming RecordCredit, seed: UInt64 = 0) {
        self.credit = consume credit
        self.seed = seed
    }

    func take() -> RecordCredit {
        guard let credit = credit.take() else { preconditionFailure("this credit was given back before") }
        return credit
    }
}

/// A thread of a server: its ring's writer.
final class Shard {
    var writer: RecordRingWriter

    init(_ writer: consuming RecordRingWriter) { self.writer = writer }

    func reserve(_ bytes: Int, seed: UInt64 = 0) -> Held? {
        guard let credit = writer.reserve(bytes: bytes) else { return nil }
        return Held(credit, seed: seed)
    }

    /// Writes a call that has just enough room. `nil`: there is none.
    @discardableResult func write(_ call: RingCall) -> UInt64? {
        guard let held = reserve(call.creditBytes) else { return nil }
        return writer.write(call, using: held.take())
    }
}

/// One server life with its file.
final class Life {
    let rings: RecordRings
    let shards: [Shard]
    let path: String

    init(
        _ place: Place, instance: UInt64 = 0x0102_0304_0506_0708, rings: Int = 1, words: Int = 4096,
        mode: RecordRingMode = .acknowledge
    ) throws {
        let made = try RecordRings(
            folder: place.folder, instance: RecordInstance(high: instance, low: ~instance), rings: rings,
            wordsPerRing: words, mode: mode)
        self.rings = made
        shards = (0..<rings).map { Shard(made.writer($0)) }
        path = place.folder + "/" + made.instance.fileName
    }

    var words: SharedWords { rings.file.words }
    var copy: [UInt64] { (0..<words.count).map(words.load) }

    func reader(_ ring: Int = 0) throws -> RecordRingReader {
        try RecordRingReader(RecordRingFile(path), ring: ring)
    }
}

/// All that is there now. Its views are good as long as the reader is not asked for more.
extension RecordRingReader {
    func sequences() throws -> [UInt64] {
        var found: [UInt64] = []
        while let item = try next() {
            if case .record(let record) = item { found.append(record.sequence) }
        }
        return found
    }

    func call() throws -> RingCall? {
        guard case .record(let record) = try next(), case .call(let call) = record.content else { return nil }
        return call
    }
}

/// Random bytes that all calls of tests point into.
private let pool: OwnedBytes = {
    var random = SplitMix(seed: 1)
    return OwnedBytes(random.bytes(3 * RecordLayout.bodyBytesMax))
}()

private let labelSets: [RecordLabels] = {
    let text = OwnedBytes("tenant=acme,region=eu,ñandú=größe")
    var sets = [RecordLabels.empty]
    for count in [1, 2, 16] {
        var arena = Arena(bytesMax: 1 << 16)
        let labels = try? RecordLabels(count, in: &arena) { index in
            RecordLabel(name: text.view.prefix(3 + index), value: text.view.dropFirst(index))
        }
        guard let labels else { preconditionFailure("labels of \(count)") }
        sets.append(RecordLabels.kept(labels))
    }
    return sets
}()

extension RecordLabels {
    /// The same labels, for the process's life.
    fileprivate static func kept(_ labels: RecordLabels) -> RecordLabels {
        guard let kept = RecordLabels(checking: RecordRingTests.kept(labels.bytes.array), count: labels.count) else {
            preconditionFailure("labels that cannot be read")
        }
        return kept
    }
}

extension RingCall {
    /// What a server takes credit for, if it knows all sizes.
    var creditBytes: Int {
        RecordLayout.callBytes(
            labels: labels.bytes.count, request: request.bytes.count, answer: answer.bytes.count)
    }

    /// A call whose fields all follow from `seed`; its bodies have up to `bodyMax` bytes.
    init(seed: UInt64, bodyMax: Int = 2000) {
        self.init()
        var random = SplitMix(seed: seed)
        func bytes(_ max: Int) -> ByteView {
            let count = random.below(max + 1)
            let start = random.below(pool.view.count - count)
            return pool.view[start..<start + count]
        }
        func body() -> RecordBody {
            switch random.below(6) {
            case 0: .none
            case 1: .digest(pool.view[random.below(100)...].prefix(32))
            case 2: .leftOut
            default: .copy(bytes(bodyMax))
            }
        }
        startUnixNanoseconds = seed
        (method, principal, credential) = (bytes(40), bytes(20), bytes(64))
        (reason, asked, model) = (bytes(12), bytes(30), bytes(30))
        artifact = random.below(2) == 0 ? .empty : pool.view[random.below(100)...].prefix(32)
        (requestID, peer, subject) = (bytes(128), bytes(30), bytes(9))
        labels = labelSets[random.below(labelSets.count)]
        (auth, verdict, status, slot) = (random.byte(), random.byte(), random.byte(), random.byte())
        (cache, fallback, draw) = (random.byte(), random.byte(), random.byte())
        version = Int64(bitPattern: random.next())
        (epoch, readNanoseconds, queueNanoseconds) = (random.next(), random.next(), random.next())
        (runNanoseconds, totalNanoseconds, requestBytes) = (random.next(), random.next(), random.next())
        (answerBytes, batch, exposure, routingKey) = (random.next(), random.next(), random.next(), random.next())
        (traceHigh, traceLow) = (random.next(), random.next())
        func number() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }
        (rows, batchRows, batchFirst, imputed) = (number(), number(), number(), number())
        (clipped, outliers, sharePPM, message) = (number(), number(), number(), number())
        clockErrorMicroseconds = number()
        request = body()
        answer = body()
    }
}

extension ByteView {
    subscript(range: PartialRangeFrom<Int>) -> ByteView { dropFirst(range.lowerBound) }
}

private let owners = Lock<[OwnedBytes]>([])

/// A view that lives as long as the process.
func kept(_ bytes: [UInt8]) -> ByteView {
    let owner = OwnedBytes(bytes)
    owners.withLock { $0.append(owner) }
    return owner.view
}

func kept(_ text: String) -> ByteView { kept(Array(text.utf8)) }
