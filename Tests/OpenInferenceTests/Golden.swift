// Enters: Tests/Fixtures/messages.json. Leaves: messages as google.protobuf wrote them, and tools to compare with them.
import Foundation
import Memory
import Protobuf
import Tensors
import Testing

/// What make_messages.py wrote.
struct Golden: Decodable, Sendable {
    struct Row: Decodable, Sendable, CustomTestStringConvertible {
        let dialect: String
        let name: String
        let request: Data
        let response: Data
        let canonical: Data?

        var testDescription: String { name }
    }

    let calls: [Row]
    let others: [String: Data]

    static let all: Golden = {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        do {
            let text = try Data(contentsOf: tests.appendingPathComponent("Fixtures/messages.json"))
            return try JSONDecoder().decode(Golden.self, from: text)
        } catch {
            fatalError("Fixtures/messages.json: \(error)")
        }
    }()

    static let calls = all.calls.filter { $0.dialect == dialect }

    static func other(_ name: String) -> [UInt8] { all.others[name].map(Array.init) ?? [] }
}

/// The message without its headroom.
func message(_ writer: WireWriter, headroom: Int, in arena: inout Arena) throws -> [UInt8] {
    var writer = writer
    let pieces = try writer.finish(in: &arena) { _, _ in }
    return Array(pieces.array.flatMap(\.array).dropFirst(headroom))
}

/// The answer of a model that gives each input back; make_messages.py says the same.
func answer(_ call: Call, in arena: inout Arena) throws -> Answer {
    Answer(
        provenance: Provenance(
            model: call.model, version: 12, slot: .green, artifactDigest: try arena.copy(Array(0..<32)), epoch: 300),
        id: call.id, outputs: call.inputs, form: call.form)
}

/// Numbers that a seed names (splitmix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// `message` cut at each of its bytes (of a large one, at its ends), then with bits flipped and bytes replaced.
func spoiled(_ message: [UInt8], seed: UInt64, _ body: ([UInt8]) throws -> Void) rethrows {
    let cuts =
        message.count > 600 ? Array(0..<300) + Array(message.count - 300..<message.count) : Array(0..<message.count)
    for cut in cuts { try body(Array(message[..<cut])) }
    var random = Seeded(state: seed)
    let heads = min(message.count, 200)
    for _ in 0..<(heads == 0 ? 0 : 1000) {
        var flipped = message
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            flipped[Int.random(in: 0..<heads, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        if Bool.random(using: &random) {
            flipped[Int.random(in: 0..<heads, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        try body(flipped)
    }
}

private let dialect = "inference"
