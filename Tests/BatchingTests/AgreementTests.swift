// Enters: two answers. Leaves: whether they are the same one, as far as a runtime's sums are exact.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Batching

struct AgreementRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var left: [Value]
    var right: [Value]
    var holds: Bool

    init(_ testDescription: String, _ left: [Value], _ right: [Value], _ holds: Bool) {
        self.testDescription = testDescription
        (self.left, self.right, self.holds) = (left, right, holds)
    }

    init(_ testDescription: String, _ left: [Float], _ right: [Float], _ holds: Bool) {
        self.init(testDescription, [floats(left)], [floats(right)], holds)
    }
}

private func floats(_ values: [Float], _ shape: [Int64]? = nil, name: String = "y") -> Value {
    Value(name, .float32, shape ?? [Int64(values.count)], raw(values))
}
private func doubles(_ values: [Double]) -> Value { Value("y", .float64, [Int64(values.count)], raw(values)) }
private func halves(_ values: [Float16]) -> Value { Value("y", .float16, [Int64(values.count)], raw(values)) }
private func brains(_ values: [Float]) -> Value {
    Value("y", .bfloat16, [Int64(values.count)], raw(values.map { UInt16($0.bitPattern >> 16) }))
}
private func whole(_ type: ElementType, _ bytes: [UInt8]) -> Value {
    Value("y", type, [Int64(bytes.count / (type.byteCount ?? bytes.count))], bytes)
}
private func texts(_ texts: [String]) -> Value { Value("y", .bytes, [Int64(texts.count)], raw(texts: texts)) }

private let rows: [AgreementRow] = [
    // Who and what.
    AgreementRow("nothing", [Value](), [], true),
    AgreementRow("one too few", [floats([1])], [], false),
    AgreementRow("another name", [floats([1])], [floats([1], name: "z")], false),
    AgreementRow("another type", [whole(.int32, [0, 0, 0, 0])], [whole(.uint32, [0, 0, 0, 0])], false),
    AgreementRow("another shape", [floats([1, 2], [1, 2])], [floats([1, 2], [2, 1])], false),
    AgreementRow("the second differs", [floats([1]), floats([2])], [floats([1]), floats([3])], false),
    AgreementRow("no elements", [floats([])], [floats([])], true),
    // FP32: one part in 1000 of the largest.
    AgreementRow("the same", [1, 2, 3], [1, 2, 3], true),
    AgreementRow("the last bit", [1, 2, 3], [1, 2, (3 as Float).nextUp], true),
    AgreementRow("nearly one part in 1000", [1000], [1000.9], true),
    AgreementRow("more than one part in 1000", [1000], [1001.1], false),
    AgreementRow("almost nothing beside something", [1000, 1e-7], [1000, -1e-7], true),
    AgreementRow("almost nothing by itself", [1e-7], [-1e-7], false),
    AgreementRow("something beside almost nothing", [1000, 0], [1000, 2], false),
    AgreementRow("two rows the wrong way round", [1, 2], [2, 1], false),
    // What compares otherwise than its bits.
    AgreementRow("minus nothing", [0], [-0.0], true),
    AgreementRow("not a number", [.nan, 1], [.nan, 1], true),
    AgreementRow("not a number, another one", [.nan], [-.nan], true),
    AgreementRow("a number and not one", [.nan, 1], [1, 1], false),
    AgreementRow("not a number and one", [1, 1], [.nan, 1], false),
    AgreementRow("infinite", [.infinity], [.infinity], true),
    AgreementRow("infinite the other way", [.infinity], [-.infinity], false),
    AgreementRow("infinite, and a number", [.infinity, 1], [1, 1], false),
    AgreementRow("a number, and infinite", [1, 1], [1, .infinity], false),
    AgreementRow("infinity makes no number almost nothing", [.infinity, 1], [.infinity, 2], false),
    AgreementRow("not a number beside others", [.nan, 1000], [.nan, 1000.5], true),
    // The other floating types.
    AgreementRow("FP64, the last bits", [doubles([1, 3])], [doubles([1, 3 + 1e-9])], true),
    AgreementRow("FP64, one part in 1000", [doubles([1000])], [doubles([1000.9])], false),
    AgreementRow("FP64, not a number", [doubles([.nan])], [doubles([-.nan])], true),
    AgreementRow("FP16, one part in 100", [halves([100])], [halves([101])], true),
    AgreementRow("FP16, one part in 20", [halves([100])], [halves([105])], false),
    AgreementRow("FP16, infinite", [halves([.infinity, 1])], [halves([1, 1])], false),
    AgreementRow("BF16, one part in 30", [brains([96])], [brains([99])], true),
    AgreementRow("BF16, one part in 10", [brains([100])], [brains([110])], false),
    AgreementRow("BF16, not a number", [brains([.nan])], [brains([.nan])], true),
    // What is exact.
    AgreementRow("texts", [texts(["a", "bc"])], [texts(["a", "bc"])], true),
    AgreementRow("other texts", [texts(["a", "bc"])], [texts(["a", "bd"])], false),
    AgreementRow("texts cut elsewhere", [texts(["a", "bc"])], [texts(["ab", "c"])], false),
    AgreementRow("texts of other lengths", [texts(["a"])], [texts(["ab"])], false),
]

@Test(arguments: rows) func sameAnswers(row: AgreementRow) throws {
    let bench = Bench()
    #expect(Agreement.holds(try bench.tensors(row.left), try bench.tensors(row.right)) == row.holds)
    #expect(Agreement.holds(try bench.tensors(row.right), try bench.tensors(row.left)) == row.holds)
}

/// Whole numbers and truths are exact: one off is another answer, however large it is.
@Test(arguments: ElementType.allCases.filter { ![.float16, .bfloat16, .float32, .float64, .bytes].contains($0) })
func wholeNumbersAreExact(type: ElementType) throws {
    let bench = Bench()
    let size = type.byteCount ?? 0
    let large = [UInt8](repeating: 0x40, count: 4 * size)
    for byte in large.indices {
        var other = large
        other[byte] ^= 1
        let (left, right) = (try bench.tensors([whole(type, large)]), try bench.tensors([whole(type, other)]))
        #expect(Agreement.holds(left, left) && !Agreement.holds(left, right), "byte \(byte)")
    }
}

/// A model's own bounds: equal bits, so much of the largest number, or nothing that can be said. Whole numbers have no bound but that.
@Test(
    arguments: [
        ([1, 2], [1, 2], 0, true), ([1, 2], [1, (2 as Float).nextUp], 0, false),
        ([1, 2], [1, (2 as Float).nextUp], 1e-5, true),
        ([1000], [1000.9], 1e-3, true), ([1000], [1001.1], 1e-3, false), ([1, .nan], [.nan, 1], 1e-3, false),
        ([1, .nan], [1, .nan], 1e-3, true), ([1, 2], [9, .nan], .infinity, true),
    ] as [([Float], [Float], Double, Bool)])
func withinABound(left: [Float], right: [Float], bound: Double, isSame: Bool) throws {
    let bench = Bench()
    func holds(_ left: [Value], _ right: [Value], _ positions: [Int]) throws -> Bool {
        let work = try bench.work(left, outputs: positions)
        // The model has three outputs, of which the last is asked for.
        return Agreement.holds(try bench.tensors(left), try bench.tensors(right), [0, 0, bound], work.outputs)
    }
    #expect(try holds([floats(left)], [floats(right)], [2]) == isSame)
    #expect(try !holds([floats(left)], [floats(right, [1, Int64(right.count)])], [2]))
    let (one, other) = (whole(.int32, [1, 0, 0, 0]), whole(.int32, [2, 0, 0, 0]))
    #expect(try holds([one], [other], [2]) == (bound == .infinity))
    #expect(try holds([one], [one], [2]))
}
