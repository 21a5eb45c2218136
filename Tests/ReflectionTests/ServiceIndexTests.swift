// Enters: reflection requests. Leaves: the answers, read back field by field.
import Memory
import Protobuf
import Testing

@testable import Reflection

/// A ServerReflectionResponse, read back.
private struct Answer: Equatable {
    var host = ""
    var original: [UInt8] = []
    /// Names of the files, in order.
    var files: [String] = []
    var baseType: String?
    var extensionNumbers = 0
    var services: [String]?
    var errorCode: UInt64?
    var errorMessage = ""
}

private func read(_ bytes: ByteView) throws -> Answer {
    var answer = Answer()
    var reader = WireReader(bytes)
    while let field = try reader.next() {
        switch field.number {
        case 1: answer.host = try field.string().text
        case 2: answer.original = try field.bytes().array
        case 4:
            var inner = try field.message()
            while let file = try inner.next() {
                var descriptor = try file.message()
                let name = try #require(try descriptor.next())
                answer.files.append(try name.string().text)
            }
        case 5:
            var inner = try field.message()
            while let part = try inner.next() {
                if part.number == 1 { answer.baseType = try part.string().text } else { answer.extensionNumbers += 1 }
            }
        case 6:
            var services: [String] = []
            var inner = try field.message()
            while let service = try inner.next() {
                var name = try service.message()
                services.append(try #require(try name.next()).string().text)
            }
            answer.services = services
        case 7:
            var inner = try field.message()
            while let part = try inner.next() {
                if part.number == 1 {
                    answer.errorCode = try part.unsigned()
                } else {
                    answer.errorMessage = try part.string().text
                }
            }
        default: Issue.record("field \(field.number)")
        }
    }
    return answer
}

private func ask(_ message: [UInt8], of index: ServiceIndex) throws -> Answer {
    var arena = Arena(bytesMax: 1 << 20)
    var writer = try index.answer(arena.copy(message), headroom: 5, in: &arena)
    let pieces = try writer.finish(in: &arena) { _, _ in }
    let whole = try arena.copy(pieces.array.flatMap(\.array))
    #expect(whole.prefix(5).array == [0, 0, 0, 0, 0])
    let answer = try read(whole.dropFirst(5))
    #expect(answer.original == message)
    return answer
}

private func request(_ field: UInt8, _ value: String) -> [UInt8] {
    [field << 3 | 2, UInt8(value.utf8.count)] + Array(value.utf8)
}

private let index = ServiceIndex()

private let prediction = "vencejo/v1/prediction.proto"
private let control = "vencejo/v1/control.proto"
private let inference = "inference/inference.proto"
private let health = "grpc/health/v1/health.proto"
private let reflection = "grpc/reflection/v1/reflection.proto"

@Test(
    arguments: [
        (3, prediction, prediction), (3, inference, inference), (3, health, health), (3, reflection, reflection),
        (3, "grpc/reflection/v1alpha/reflection.proto", "grpc/reflection/v1alpha/reflection.proto"),
        (3, "prediction.proto", nil), (3, "", nil),
        // A service, a method, a message, a field, an enum, its values beside it, a oneof, a map's entry, a nested message.
        (4, "grpc.health.v1.Health", health), (4, "grpc.health.v1.Health.Check", health),
        (4, "grpc.health.v1.HealthCheckRequest", health), (4, "grpc.health.v1.HealthCheckRequest.service", health),
        (4, "grpc.health.v1.HealthCheckResponse.ServingStatus", health),
        (4, "grpc.health.v1.HealthCheckResponse.SERVING", health),
        (4, "grpc.reflection.v1.ServerReflectionRequest.message_request", reflection),
        (4, "vencejo.v1.PredictionService.Predict", prediction),
        (4, "vencejo.v1.PredictRequest.LabelsEntry.key", prediction),
        (3, control, control), (4, "vencejo.v1.ModelControlService.Swap", control),
        (4, "inference.GRPCInferenceService", inference),
        (4, "inference.ModelInferRequest.InferInputTensor", inference),
        (4, "grpc.health.v1", nil), (4, "grpc.health.v1.HealthCheck", nil), (4, ".grpc.health.v1.Health", nil),
        (4, "", nil), (4, "SERVING", nil),
        (5, "", nil),
    ] as [(UInt8, String, String?)])
func files(field: UInt8, value: String, expected: String?) throws {
    let answer = try ask(request(field, value), of: index)
    #expect(answer.files == (expected.map { [$0] } ?? []))
    #expect(answer.errorCode == (expected == nil ? 5 : nil))
    if expected == nil { #expect(answer.errorMessage.contains(value.debugDescription)) }
}

@Test func services() throws {
    let expected = [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        "inference.GRPCInferenceService", "vencejo.v1.ModelControlService", "vencejo.v1.PredictionService",
    ]
    #expect(index.services == expected)
    for value in ["", "*"] { #expect(try ask(request(7, value), of: index).services == expected) }
}

@Test func extensions() throws {
    let known = try ask(request(6, "grpc.health.v1.HealthCheckRequest"), of: index)
    #expect(known.baseType == "grpc.health.v1.HealthCheckRequest" && known.extensionNumbers == 0)
    // An enum is no type that can be extended.
    for name in ["grpc.health.v1.Nothing", "grpc.health.v1.HealthCheckResponse.ServingStatus"] {
        #expect(try ask(request(6, name), of: index).errorCode == 5)
    }
    // containing_type and extension_number of file_containing_extension.
    let message = [0x2a, 5, 0x0a, 1, 0x61, 0x10, 7] as [UInt8]
    let answer = try ask(message, of: index)
    #expect(answer.errorCode == 5 && answer.errorMessage == "no extension of \"a\"")
}

@Test func hostAndLastQuestion() throws {
    let answer = try ask(request(1, "example") + request(3, health) + request(7, ""), of: index)
    #expect(answer.host == "example")
    #expect(answer.files.isEmpty && answer.services?.count == 6)
}

@Test(arguments: [[], [0x0a, 1, 0x61], [0x78, 1]] as [[UInt8]])
func nothingAsked(message: [UInt8]) throws {
    let answer = try ask(message, of: index)
    #expect(answer.errorCode == 3 && answer.errorMessage.contains("asks nothing"))
}

@Test(
    arguments: [
        ([0x22, 2, 0x61], .truncated), ([0x20, 1], .expected(.bytes, field: 4)), ([0x22, 1, 0xff], .notUTF8(field: 4)),
        ([0x2a, 1, 0x0a], .truncated), ([0x3b], .wireType(3, field: 7)),
    ] as [([UInt8], WireError)])
func malformed(message: [UInt8], expected: WireError) throws {
    #expect(throws: ReflectionError.message(expected)) { _ = try ask(message, of: index) }
}

@Test func anArenaTooSmall() throws {
    var arena = Arena(bytesMax: 4096)
    let message = try arena.copy(request(3, prediction))
    #expect(throws: ReflectionError.arena(ArenaFull(bytesMax: 4096))) {
        _ = try index.answer(message, headroom: 5, in: &arena)
    }
}

private func nested(_ field: UInt8, _ content: [UInt8]) -> [UInt8] { [field << 3 | 2, UInt8(content.count)] + content }

/// a needs b and c, b needs c and a (which proto forbids and must not hang us); c has a message `M` before its package.
@Test func dependenciesComeOnce() throws {
    let a = request(1, "a") + request(3, "b") + request(3, "c")
    let b = request(1, "b") + request(3, "c") + request(3, "a")
    let c = request(1, "c") + nested(4, request(1, "M")) + request(2, "p")
    var arena = Arena(bytesMax: 4096)
    let table = try SymbolTable(set: arena.copy(nested(1, a) + nested(1, b) + nested(1, c)))
    #expect((0..<3).map { table.closure(of: $0) } == [[0, 1, 2], [1, 2, 0], [2]])
    #expect(table.symbols["p.M"]?.file == 2)
    #expect(table.symbols["M"] == nil)
}
