// Enters: health requests as bytes, statuses. Leaves: the service asked about, the answer's bytes.
import Health
import Memory
import Protobuf
import Testing

private func decode(_ message: [UInt8]) -> Result<String, HealthError> {
    var arena = Arena(bytesMax: 4096)
    do throws(HealthError) {
        let message = (try? arena.copy(message)) ?? .empty
        return .success(try HealthCheckRequest(decoding: message).service.text)
    } catch {
        return .failure(error)
    }
}

private let rows: [(message: [UInt8], expected: Result<String, HealthError>)] = [
    ([], .success("")),
    ([0x0a, 0], .success("")),
    ([0x0a, 3, 0x61, 0x2e, 0x62], .success("a.b")),
    // The last one wins; unknown fields are passed over.
    ([0x0a, 1, 0x61, 0x0a, 1, 0x62], .success("b")),
    ([0x10, 7, 0x0a, 1, 0x61, 0x1a, 1, 9], .success("a")),
    ([0x0a, 3, 0x61], .failure(.message(.truncated))),
    ([0x08, 1], .failure(.message(.expected(.bytes, field: 1)))),
    ([0x0a, 1, 0xff], .failure(.message(.notUTF8(field: 1)))),
    ([0x0b], .failure(.message(.wireType(3, field: 1)))),
]

@Test(arguments: rows.indices)
func requests(row: Int) {
    #expect(decode(rows[row].message) == rows[row].expected)
}

@Test func errorsNameTheMessage() {
    #expect(
        HealthError.message(.truncated).sentence
            == "the message is not a grpc.health.v1.HealthCheckRequest: it ends inside a field")
}

@Test(
    arguments: [
        (ServingStatus.unknown, []), (.serving, [8, 1]), (.notServing, [8, 2]), (.serviceUnknown, [8, 3]),
    ] as [(ServingStatus, [UInt8])])
func responses(status: ServingStatus, expected: [UInt8]) throws {
    for headroom in [0, 5] {
        var arena = Arena(bytesMax: 4096)
        var writer = try HealthCheckResponse(status: status).encode(headroom: headroom, in: &arena)
        #expect(writer.count == headroom + expected.count)
        let pieces = try writer.finish(in: &arena) { _, _ in }
        #expect(pieces.array.flatMap(\.array) == Array(repeating: 0, count: headroom) + expected)
    }
}
