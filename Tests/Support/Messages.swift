// Enters: messages, or their parts. Leaves: their bytes, sound and spoiled; answers to them; what small arenas make of them.
public import Memory
public import Protobuf
public import Tensors

// MARK: - Protobuf by hand

/// A negative number takes ten bytes, as an int64 does.
public func varint(_ value: some FixedWidthInteger) -> [UInt8] {
    var rest = UInt64(truncatingIfNeeded: value)
    var bytes: [UInt8] = []
    while rest > 0x7f {
        bytes.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
    }
    return bytes + [UInt8(rest)]
}

/// A length-delimited field.
public func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
}

public func text(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

// MARK: - Answers

/// The message without its headroom.
public func message(_ writer: WireWriter, headroom: Int, in arena: inout Arena) throws -> [UInt8] {
    var writer = writer
    let pieces = try writer.finish(in: &arena) { _, _ in }
    return Array(pieces.array.flatMap(\.array).dropFirst(headroom))
}

/// The answer of a model that gives each input back, as make_messages.py writes it.
public func answer(_ call: Call, in arena: inout Arena) throws -> Answer {
    Answer(
        provenance: Provenance(
            model: call.model, version: 12, slot: .green, artifactDigest: try arena.copy(Array(0..<32)), epoch: 300),
        id: call.id, outputs: call.inputs, form: call.form)
}

// MARK: - Messages that are refused

/// `message` cut at each of its bytes (of a large one, at its ends), then with bits flipped and bytes replaced.
public func spoiled(_ message: [UInt8], seed: UInt64, _ body: ([UInt8]) throws -> Void) rethrows {
    let cuts =
        message.count > 600 ? Array(0..<300) + Array(message.count - 300..<message.count) : Array(0..<message.count)
    for cut in cuts { try body(Array(message[..<cut])) }
    var random = SplitMix(seed: seed)
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

/// A message that does not decode: the error and, where the row gives it, its sentence.
public struct RefusedMessage<Failure: Error & Equatable>: Sendable, CustomStringConvertible {
    public let description: String
    public let message: [UInt8]
    public let error: Failure
    public let sentence: String?

    public init(_ description: String, _ message: [UInt8], _ error: Failure, _ sentence: String? = nil) {
        self.description = description
        self.message = message
        self.error = error
        self.sentence = sentence
    }
}

/// Runs `body` in an arena of one byte, of 8, of 15, … below 4096. Returns the errors, each with its arena's bound.
public func errorsInSmallArenas(_ body: (inout Arena) throws -> Void) -> [(full: ArenaFull, error: any Error)] {
    var errors: [(full: ArenaFull, error: any Error)] = []
    for bytesMax in stride(from: 1, to: 4096, by: 7) {
        var arena = Arena(firstChunkBytes: 1, bytesMax: bytesMax)
        do { try body(&arena) } catch { errors.append((ArenaFull(bytesMax: bytesMax), error)) }
    }
    return errors
}
