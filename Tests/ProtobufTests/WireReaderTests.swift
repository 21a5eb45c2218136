// Enters: bytes, sound and spoilt. Leaves: fields, or which rule they break.
import Memory
import Protobuf
import TestSupport
import Testing

/// One field, read back: what each way of reading it gives.
private struct Field: Equatable {
    var number: Int
    var type: WireType
    /// The number, or the bytes' count.
    var value: UInt64
}

private func read(_ message: [UInt8]) -> Result<[Field], WireError> {
    var arena = Arena(bytesMax: 1 << 20)
    do throws(WireError) {
        var reader = WireReader((try? arena.copy(message)) ?? .empty)
        var fields: [Field] = []
        while let field = try reader.next() {
            let value: UInt64 =
                switch field.type {
                case .varint: try field.unsigned()
                case .fixed64: try field.double().bitPattern
                case .fixed32: UInt64(try field.fixedElements(4).littleEndian(at: 0, as: UInt32.self))
                case .bytes: UInt64(try field.bytes().count)
                }
            fields.append(Field(number: field.number, type: field.type, value: value))
        }
        #expect(reader.isAtEnd, "\(message)")
        return .success(fields)
    } catch {
        return .failure(error)
    }
}

private let nines = Array(repeating: UInt8(0xff), count: 9)

private let rows: [(message: [UInt8], expected: Result<[Field], WireError>)] = [
    ([], .success([])),
    ([0x08, 0], .success([Field(number: 1, type: .varint, value: 0)])),
    ([0x08, 0x96, 0x01], .success([Field(number: 1, type: .varint, value: 150)])),
    ([0x08] + nines + [1], .success([Field(number: 1, type: .varint, value: .max)])),
    // Longer than needed, but within ten bytes: allowed.
    ([0x08, 0x81, 0x80, 0x00], .success([Field(number: 1, type: .varint, value: 1)])),
    ([0x88, 0x00, 7], .success([Field(number: 1, type: .varint, value: 7)])),
    // Bits above the 64th are dropped, as protobuf's own readers do.
    ([0x08] + nines + [0x7f], .success([Field(number: 1, type: .varint, value: .max)])),
    ([0x08] + nines + [0x80, 0], .failure(.varintTooLong)),
    ([0x08] + nines + [0xff], .failure(.varintTooLong)),
    ([0x09, 1, 2, 3, 4, 5, 6, 7, 8], .success([Field(number: 1, type: .fixed64, value: 0x0807_0605_0403_0201)])),
    ([0x0d, 1, 2, 3, 4], .success([Field(number: 1, type: .fixed32, value: 0x0403_0201)])),
    ([0x12, 0], .success([Field(number: 2, type: .bytes, value: 0)])),
    ([0x12, 2, 1, 2], .success([Field(number: 2, type: .bytes, value: 2)])),
    // The largest field number, and one above.
    ([0xf8, 0xff, 0xff, 0xff, 0x0f, 1], .success([Field(number: 536_870_911, type: .varint, value: 1)])),
    ([0x80, 0x80, 0x80, 0x80, 0x10, 1], .failure(.fieldNumber(536_870_912))),
    (nines + [1], .failure(.fieldNumber(.max >> 3))),
    ([0x00, 1], .failure(.fieldNumber(0))),
    ([0x02, 0], .failure(.fieldNumber(0))),
    // Groups and the types that are none.
    ([0x0b], .failure(.wireType(3, field: 1))),
    ([0x0c], .failure(.wireType(4, field: 1))),
    ([0x0e], .failure(.wireType(6, field: 1))),
    ([0x0f], .failure(.wireType(7, field: 1))),
    // Lengths that lead out of the message.
    ([0x12, 1], .failure(.truncated)),
    ([0x12] + nines + [1], .failure(.truncated)),
    ([0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], .failure(.truncated)),
    ([0x12] + nines + [0x80], .failure(.varintTooLong)),
]

@Test(arguments: rows.indices)
func fields(row: Int) {
    #expect(read(rows[row].message) == rows[row].expected)
}

/// Every cut of a message with all types is refused, but where it falls between two fields.
@Test func everyTruncation() {
    let parts: [[UInt8]] = [
        [0x08, 0x96, 0x01], [0x11, 1, 2, 3, 4, 5, 6, 7, 8], [0x1d, 1, 2, 3, 4], [0x22, 3, 7, 8, 9],
        [0xaa, 0x01, 0x81, 0x00, 5],
    ]
    let message = parts.flatMap { $0 }
    var ends = [0]
    for part in parts { ends.append(ends[ends.count - 1] + part.count) }
    for count in 0...message.count {
        let result = read(Array(message.prefix(count)))
        if let whole = ends.firstIndex(of: count) {
            #expect((try? result.get())?.count == whole)
        } else {
            #expect(result == .failure(.truncated), "cut at \(count)")
        }
    }
}

/// Whatever the bytes are, reading ends with fields or an error.
@Test func noiseNeverTraps() {
    for seed in 1...20_000 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        _ = read(random.bytes(random.below(41)))
    }
}

private func only(_ message: [UInt8], in arena: inout Arena) throws -> WireField {
    var reader = WireReader(try arena.copy(message))
    return try #require(try reader.next())
}

@Test(
    arguments: [
        ([0x08, 1], WireType.varint), ([0x09, 0, 0, 0, 0, 0, 0, 0, 0], .fixed64), ([0x0a, 0], .bytes),
        ([0x0d, 0, 0, 0, 0], .fixed32),
    ] as [([UInt8], WireType)])
func wrongTypes(message: [UInt8], type: WireType) throws {
    var arena = Arena(bytesMax: 4096)
    let field = try only(message, in: &arena)
    func check(_ wanted: WireType, _ read: () throws(WireError) -> Void) {
        var error: WireError?
        do throws(WireError) { try read() } catch let thrown { error = thrown }
        #expect(error == (type == wanted ? nil : .expected(wanted, field: 1)))
    }
    check(.varint) { () throws(WireError) in _ = try field.unsigned() }
    check(.varint) { () throws(WireError) in _ = try field.signed() }
    check(.varint) { () throws(WireError) in _ = try field.bool() }
    check(.fixed64) { () throws(WireError) in _ = try field.double() }
    check(.bytes) { () throws(WireError) in _ = try field.bytes() }
    check(.bytes) { () throws(WireError) in _ = try field.string() }
    check(.bytes) { () throws(WireError) in _ = try field.message() }
}

@Test(
    arguments: [([0x0a, 2, 0xc3, 0xa9], true), ([0x0a, 1, 0], true), ([0x0a, 1, 0xc3], false)] as [([UInt8], Bool)])
func strings(message: [UInt8], isUTF8: Bool) throws {
    var arena = Arena(bytesMax: 4096)
    let field = try only(message, in: &arena)
    if isUTF8 {
        #expect(try field.string() == field.bytes())
    } else {
        #expect(throws: WireError.notUTF8(field: 1)) { _ = try field.string() }
    }
}

private enum Stop: Error { case here }

@Test func packedAndSingleVarints() throws {
    let rows: [(message: [UInt8], expected: [UInt64], error: WireError?)] = [
        ([0x08, 7], [7], nil), ([0x0a, 0], [], nil), ([0x0a, 4, 1, 0x96, 0x01, 3], [1, 150, 3], nil),
        ([0x0a, 2, 1, 0x96], [1], .truncated), ([0x0a, 11] + nines + [0x80, 0], [], .varintTooLong),
        ([0x0d, 0, 0, 0, 0], [], .expected(.varint, field: 1)),
    ]
    for row in rows {
        var arena = Arena(bytesMax: 4096)
        let field = try only(row.message, in: &arena)
        var seen: [UInt64] = []
        var thrown: WireError?
        do throws(WireOrBody<Never>) {
            try field.eachVarint { seen.append($0) }
        } catch {
            if case .wire(let error) = error { thrown = error }
        }
        #expect(seen == row.expected && thrown == row.error)
    }
    var arena = Arena(bytesMax: 4096)
    let field = try only([0x0a, 2, 1, 2], in: &arena)
    do throws(WireOrBody<Stop>) {
        try field.eachVarint { (_) throws(Stop) in throw .here }
        Issue.record("no error")
    } catch {
        if case .wire = error { Issue.record("\(error)") }
    }
}

enum ReadError: MessageError, Equatable {
    case wire(WireError)
    case arena(ArenaFull)
}

@Test func numbersUpToABound() throws {
    let ones = nines + [1]
    let rows: [(message: [UInt8], before: [Int64], list: [Int64], count: Int)] = [
        ([0x08, 7], [], [7], 1), ([0x0a, 0], [], [], 0), ([0x0a, 13, 1, 0x96, 0x01] + ones, [], [1, 150, -1], 3),
        ([0x0a, 4, 1, 2, 3, 4], [9], [9, 1, 2], 4), ([0x08, 7], [9, 9, 9], [9, 9, 9], 1),
        ([0x0a, 127] + [UInt8](repeating: 1, count: 127), [], [1, 1, 1], 127),
    ]
    for row in rows {
        var arena = Arena(bytesMax: 4096)
        var list = List<Int64>()
        for number in row.before { try list.append(number, in: &arena) }
        let field = try only(row.message, in: &arena)
        let count = try field.append(to: &list, countMax: 3, in: &arena, throwing: ReadError.self)
        #expect(count == row.count && list.array == row.list, "\(row.message)")
    }
}

@Test(
    arguments: [
        ([0x0a, 2, 1, 0x96], 4096, .wire(.truncated)), ([0x0d, 0, 0, 0, 0], 4096, .wire(.expected(.varint, field: 1))),
        ([0x0a, 1, 1], 8, .arena(ArenaFull(bytesMax: 8))),
    ] as [([UInt8], Int, ReadError)])
func numbersThatAreRefused(message: [UInt8], arenaBytesMax: Int, error: ReadError) throws {
    var kept = Arena(bytesMax: 4096)
    let field = try only(message, in: &kept)
    #expect(throws: error) {
        var arena = Arena(firstChunkBytes: 8, bytesMax: arenaBytesMax)
        var list = List<Int64>()
        _ = try field.append(to: &list, countMax: 3, in: &arena, throwing: ReadError.self)
    }
}

@Test func packedAndSingleFixedElements() throws {
    let rows: [(message: [UInt8], size: Int, expected: Result<Int, WireError>)] = [
        ([0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8], 4, .success(8)), ([0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8], 8, .success(8)),
        ([0x0a, 0], 4, .success(0)), ([0x0d, 1, 2, 3, 4], 4, .success(4)),
        ([0x09, 1, 2, 3, 4, 5, 6, 7, 8], 8, .success(8)), ([0x0a, 3, 1, 2, 3], 4, .failure(.packedLength(field: 1))),
        ([0x0d, 1, 2, 3, 4], 8, .failure(.expected(.bytes, field: 1))),
        ([0x08, 1], 4, .failure(.expected(.bytes, field: 1))),
    ]
    for row in rows {
        var arena = Arena(bytesMax: 4096)
        let field = try only(row.message, in: &arena)
        let result: Result<Int, WireError>
        do throws(WireError) {
            result = .success(try field.fixedElements(row.size).count)
        } catch {
            result = .failure(error)
        }
        #expect(result == row.expected)
    }
}
