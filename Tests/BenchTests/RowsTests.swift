// Enters: tensors of many rows. Leaves: requests of some rows each.
import Memory
import OpenInference
import PredictionAPI
import Tensors
import Testing

@testable import Bench

private func floats(_ name: String, rows: Int) -> NamedTensor {
    NamedTensor(
        name: name, type: .float32, shape: [Int64(rows), 2],
        content: (0..<rows).flatMap { row in [UInt8](repeating: UInt8(row), count: 8) })
}

private func words(_ name: String, _ words: [String]) -> NamedTensor {
    NamedTensor(
        name: name, type: .bytes, shape: [Int64(words.count), 1],
        content: words.flatMap { [UInt8($0.utf8.count), 0, 0, 0] + Array($0.utf8) })
}

@Test(arguments: [(6, 1, 6), (6, 2, 3), (7, 2, 3), (5, 5, 1)])
func rowsAreDealtOut(rows: Int, each: Int, requests: Int) throws {
    let texts = (0..<rows).map { String(repeating: "x", count: $0) }
    let dealt = try Rows([floats("a", rows: rows), words("b", texts)], rowsPerRequest: each)
    #expect(dealt.requests.count == requests)
    for (number, request) in dealt.requests.enumerated() {
        let range = number * each..<(number + 1) * each
        #expect(request.map(\.name) == ["a", "b"] && request[0].shape == [Int64(each), 2])
        #expect(request[0].content == range.flatMap { [UInt8](repeating: UInt8($0), count: 8) })
        #expect(request[1].content == words("b", Array(texts[range])).content && request[1].shape == [Int64(each), 1])
    }
}

/// Where every row counts the last request is a smaller one.
@Test(arguments: [(7, 2, [2, 2, 2, 1]), (6, 2, [2, 2, 2]), (3, 32, [3]), (1, 1, [1])])
func noRowIsLeftOut(rows: Int, each: Int, sizes: [Int64]) throws {
    let dealt = try Rows([floats("a", rows: rows)], rowsPerRequest: each, keepsRest: true)
    #expect(dealt.requests.map { $0[0].shape } == sizes.map { [$0, 2] })
    #expect(dealt.requests.flatMap { $0[0].content } == floats("a", rows: rows).content)
}

@Test(arguments: [
    ([floats("a", rows: 2), floats("b", rows: 3)], 1, "\"b\" has 3 rows, and \"a\" has 2"),
    ([NamedTensor(name: "a", type: .int64, shape: [], content: [UInt8](repeating: 0, count: 8))], 1, "no rows"),
    ([NamedTensor(name: "a", type: .int64, shape: [0, 4], content: [])], 1, "shape [0, 4], and so no rows"),
    ([floats("a", rows: 2)], 3, "takes 3 rows and the input has 2"),
    ([NamedTensor(name: "a", type: .bytes, shape: [1], content: [9, 0, 0, 0, 1])], 1, "ends within"),
])
func rowsThatCannotBe(inputs: [NamedTensor], each: Int, words: String) {
    let error = #expect(throws: RowsError.self) { try Rows(inputs, rowsPerRequest: each) }
    #expect(error?.sentence.contains(words) == true, "\(error?.sentence ?? "")")
}

@Test func randomRowsFitTheModelAndDiffer() throws {
    let specifications = ElementType.allCases.map {
        TensorSpecification(name: "\($0.name)", type: $0, shape: $0 == .bool ? [3] : [-1, 2, -1])
    }
    let rows = try Rows(randomFor: specifications, rowsPerRequest: 1, seed: 4)
    #expect(rows.requests.count == 1024)
    var arena = Arena(bytesMax: 1 << 24)
    for request in rows.requests.prefix(50) {
        for (input, specification) in zip(request, specifications) {
            #expect(input.shape == (specification.type == .bool ? [3] : [1, 2, 1]) && input.type == specification.type)
            #expect(throws: Never.self) { try input.tensor(in: &arena).check() }
        }
    }
    #expect(Set(rows.requests.map { $0.last?.content ?? [] }).count == 1024)
    let again = try Rows(randomFor: specifications, rowsPerRequest: 1, seed: 4)
    #expect(again.requests[7].map(\.content) == rows.requests[7].map(\.content))
    let other = try Rows(randomFor: specifications, rowsPerRequest: 1, seed: 5)
    #expect(other.requests[7].map(\.content) != rows.requests[7].map(\.content))
    #expect(throws: RowsError.self) { try Rows(randomFor: specifications, rowsPerRequest: 8, seed: 4) }
}

/// A large input is not made a thousand times.
@Test func randomRowsAreBounded() throws {
    let image = TensorSpecification(name: "image", type: .float32, shape: [-1, 3, 512, 512])
    let rows = try Rows(randomFor: [image], rowsPerRequest: 4, seed: 1)
    #expect(rows.requests.count == 5 && rows.requests[0][0].shape == [4, 3, 512, 512])
}

@Test(arguments: Dialect.allCases)
func requestsDecodeToWhatWasGiven(dialect: Dialect) throws {
    let rows = try Rows([floats("a", rows: 3), words("b", ["", "ä", "xyz"])], rowsPerRequest: 1)
    let requests = try Requests(rows, model: "iris", version: 7, in: dialect)
    #expect(requests.count == 3 && requests[4] == requests[1] && requests[1] != requests[2])
    for number in 0..<3 {
        var arena = Arena(bytesMax: 1 << 20)
        let message = requests[number].dropFirst(5)
        #expect(requests[number][0] == 0 && Int(requests[number].bigEndian(at: 1, as: UInt32.self)) == message.count)
        let call =
            switch dialect {
            case .vencejo: try PredictRequest.decode(message, in: &arena)
            case .oip: try ModelInferRequest.decode(message, in: &arena)
            }
        #expect(call.model == "iris" && call.inputs.count == 2)
        guard case .number(7) = call.selector else {
            Issue.record("version \(call.selector)")
            return
        }
        for index in 0..<2 {
            let expected = rows.requests[number][index]
            #expect(call.inputs[index].name.text == expected.name && call.inputs[index].type == expected.type)
            #expect(call.inputs[index].content.array == expected.content)
            #expect(call.inputs[index].shape.array == expected.shape)
        }
    }
}
