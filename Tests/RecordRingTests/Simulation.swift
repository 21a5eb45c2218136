// Enters: a seed, a mode, what is sabotaged. Leaves: what a log holds after servers and agents died again and again; its faults.
import Foundation
import Memory
import TestSupport

@testable import RecordRing

/// Something that is done wrong, so that the simulation can be seen to notice.
enum Sabotage: CaseIterable {
    /// The agent says that records are durable before its log has them.
    case acknowledgesEarly
    /// An agent that starts does not look for what its log has.
    case forgetsToSkip
    /// The server writes over what is not durable.
    case ignoresDurable
    /// The server stores the head before the record.
    case publishesTorn
    /// The server gives a call's credit back before its answer is there.
    case keepsNoCredit
}

/// Server lives and agents of one folder, step by step, in one thread. A log is a list of what is durable.
final class Simulation {
    private struct Source: Hashable {
        let instance: UInt64
        let ring: Int
    }

    private let place: Place
    private let mode: RecordRingMode
    private let sabotage: Sabotage?
    private var random: SplitMix
    private var life: Life?
    private var lives: UInt64 = 0
    private var held: [[Held]] = [[], []]
    private var readers: [String: [RecordRingReader]] = [:]
    /// The seeds of the records whose calls were answered.
    private var written: [Source: [UInt64]] = [:]
    private var log: [Source: [UInt64]] = [:]
    private var lost: [Source: UInt64] = [:]
    private(set) var faults: [String] = []
    private(set) var counts = (written: 0, refused: 0, agents: 0, torn: 0, lost: 0)

    private static let words = 3000
    /// Where the server waits for the agent, the agent need not be quick.
    private var slowness: Int { mode == .acknowledge && sabotage != .ignoresDurable ? 2 : 8 }

    init(seed: UInt64, mode: RecordRingMode, sabotage: Sabotage? = nil) throws {
        random = SplitMix(seed: seed)
        place = try Place()
        (self.mode, self.sabotage) = (mode, sabotage)
        try startServer()
    }

    func run(steps: Int) throws {
        for _ in 0..<steps {
            switch random.below(1000) {
            case 0..<400: admit()
            case 400..<780: finish()
            case 780..<800: giveBack()
            case 800..<980: if random.below(slowness) == 0 { try readSome() }
            case 980..<995: endAgent()
            default: try endServer()
            }
        }
        life = nil
        held = [[], []]
        endAgent()
        for path in try RecordRingFile.paths(in: place.folder) {
            for ring in 0...1 { while try readSome(path, ring, mayDie: false) {} }
            if try !RecordRingFile(path).removeIfFinished() { faults.append("\(path) is not finished") }
        }
        if !place.names.isEmpty { faults.append("left: \(place.names)") }
        judge()
    }

    // MARK: - The server

    private func startServer() throws {
        lives += 1
        life = try Life(
            place, instance: lives, rings: 2, words: Self.words,
            mode: sabotage == .ignoresDurable ? .overwrite : mode)
    }

    private func admit() {
        guard let life else { return }
        let ring = random.below(2)
        let seed = random.next()
        let call = Self.call(seed)
        // Half of the models do not say how large their answers are.
        let answer = random.below(2) == 0 ? call.answer.bytes.count : 4000
        let bytes = RecordLayout.callBytes(
            labels: call.labels.bytes.count, request: call.request.bytes.count, answer: answer)
        guard let credit = life.shards[ring].reserve(bytes, seed: seed) else {
            counts.refused += 1
            return
        }
        if sabotage == .keepsNoCredit {
            life.shards[ring].writer.giveBack(credit.take())
            guard let none = life.shards[ring].reserve(0, seed: seed) else { return }
            held[ring].append(none)
        } else {
            held[ring].append(credit)
        }
    }

    private static func call(_ seed: UInt64) -> RingCall {
        RingCall(seed: seed, bodyMax: seed % 16 == 0 ? 4000 : 300)
    }

    private func finish() {
        let ring = random.below(2)
        guard let life, !held[ring].isEmpty else { return }
        // A slow call is one that is not chosen for long.
        let call = held[ring].remove(at: random.below(min(8, held[ring].count)))
        let sequence = life.shards[ring].writer.write(Self.call(call.seed), using: call.take())
        written[Source(instance: lives, ring: ring), default: []].append(call.seed)
        counts.written += 1
        if sequence != UInt64(written[Source(instance: lives, ring: ring)]?.count ?? 0) {
            faults.append("sequence \(sequence)")
        }
    }

    private func giveBack() {
        let ring = random.below(2)
        guard let life, let call = held[ring].popLast() else { return }
        life.shards[ring].writer.giveBack(call.take())
    }

    /// kill -9, mostly in the middle of a record: some of its words are stored, and its head is not.
    private func endServer() throws {
        let ring = random.below(2)
        if let life, !held[ring].isEmpty, random.below(3) > 0 {
            counts.torn += 1
            let lines = RingLayout.lines(of: ring)
            let head = life.words.load(lines)
            let call = held[ring].removeLast()
            _ = life.shards[ring].writer.write(Self.call(call.seed), using: call.take())
            let start = RingLayout.dataStart(rings: 2) + ring * Self.words
            for position in head..<life.words.load(lines) where random.below(3) == 0 {
                life.words.store(start + Int(position % UInt64(Self.words)), random.next())
            }
            if sabotage != .publishesTorn { life.words.store(lines, head) }
        }
        held = [[], []]
        life = nil
        try startServer()
    }

    // MARK: - The agent

    private func endAgent() {
        readers = [:]
        counts.agents += 1
    }

    private func readSome() throws {
        let paths = try RecordRingFile.paths(in: place.folder)
        let path = paths[random.below(paths.count)]
        if try readSome(path, random.below(2), mayDie: true), random.below(2) == 0 { return }
        if try RecordRingFile(path).removeIfFinished() { readers[path] = nil }
    }

    /// - Returns: whether there was anything to read.
    private func readSome(_ path: String, _ ring: Int, mayDie: Bool) throws -> Bool {
        guard let reader = try opened(path)?[ring] else { return false }
        let source = Source(instance: try RecordRingFile(path).instance.high, ring: ring)
        var batch: [(sequence: UInt64, seed: UInt64)] = []
        let most = 1 + random.below(40)
        do throws(RecordRingError) {
            while batch.count < most, let item = try reader.next() {
                switch item {
                case .lost(let records, _): lost[source, default: 0] += records
                case .record(let record): batch.append((record.sequence, seed(of: record)))
                }
            }
            guard !batch.isEmpty else { return false }
            if sabotage == .acknowledgesEarly { try reader.acknowledge(reader.place) }
            if mayDie, random.below(20) == 0 { return died() }
            for one in batch { log[source, default: []].append(one.sequence << 32 | one.seed & 0xffff_ffff) }
            if mayDie, random.below(20) == 0 { return died() }
            try reader.acknowledge(reader.place)
        } catch {
            faults.append(error.sentence)
            _ = try reader.skipToHead()
            try reader.acknowledge(reader.place)
        }
        return true
    }

    private func died() -> Bool {
        endAgent()
        return true
    }

    /// The file's readers; one that was opened just now is behind what the log has.
    private func opened(_ path: String) throws -> [RecordRingReader]? {
        if let found = readers[path] { return found }
        let file = try RecordRingFile(path)
        let made = try (0...1).map { ring in
            let reader = try RecordRingReader(file, ring: ring)
            let newest = log[Source(instance: file.instance.high, ring: ring)]?.last
            if let newest, sabotage != .forgetsToSkip {
                do throws(RecordRingError) {
                    _ = try reader.skip(through: newest >> 32)
                } catch {
                    faults.append(error.sentence)
                }
            }
            return reader
        }
        readers[path] = made
        return made
    }

    /// The seed of the call that the record is equal to; 0: of none.
    private func seed(of record: RingRecord) -> UInt64 {
        guard case .call(let call) = record.content else { return 0 }
        let seed = call.startUnixNanoseconds
        return call == Self.call(seed) ? seed : 0
    }

    // MARK: - What must hold

    private func judge() {
        for (source, entries) in log {
            let sequences = entries.map { $0 >> 32 }
            if zip(sequences, sequences.dropFirst()).contains(where: { $0 >= $1 }) { faults.append("twice: \(source)") }
            let seeds = written[source] ?? []
            for entry in entries {
                let sequence = Int(entry >> 32)
                if sequence > seeds.count || seeds[sequence - 1] & 0xffff_ffff != entry & 0xffff_ffff {
                    faults.append("record \(sequence) of \(source) is another")
                }
            }
        }
        for (source, seeds) in written {
            let missing = seeds.count - (log[source]?.count ?? 0)
            counts.lost += missing
            if mode == .acknowledge, missing > 0 { faults.append("\(missing) of \(seeds.count) lost: \(source)") }
            // An agent that died after it was told is told again.
            if mode == .overwrite, missing > lost[source, default: 0] { faults.append("untold: \(source)") }
        }
    }
}
