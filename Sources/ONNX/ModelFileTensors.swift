// Enters: a tensor or a type within a model file. Leaves: nothing, or why it cannot be.
import Memory
import Protobuf

/// What a tensor of a file holds, counted.
private struct TensorCounts {
    var name = ""
    var type: Int32 = 0
    var elements: Int64 = 1
    var rank = 0
    var rawBytes: Int?
    /// Values by the field that holds them.
    var values: [Int: Int] = [:]
    var isExternal = false
}

extension ModelFileCheck {
    @discardableResult
    mutating func tensor(_ message: ByteView, depth: Int) throws(ModelFileError) -> Int {
        try within(depth)
        tensors += 1
        guard tensors <= limits.tensorsMax else { throw .tooMany("tensors", limits.tensorsMax) }
        var counts = TensorCounts()
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1: try dimensions(field, &counts)
            case 2: counts.type = Int32(clamping: try signed(field))
            case 4: counts.values[4, default: 0] += try fixed(field, 4)
            case 6: counts.values[6, default: 0] += 1
            case 5, 7, 11: counts.values[field.number, default: 0] += try varints(field)
            case 8: counts.name = try name(field, of: "a tensor")
            case 9: counts.rawBytes = try content(field).count
            case 10: counts.values[10, default: 0] += try fixed(field, 8)
            case 3, 13: counts.isExternal = true
            case 14: counts.isExternal = try signed(field) != 0 || counts.isExternal
            default: break
            }
        }
        // A segment (field 3) is a part of a tensor whose rest lies elsewhere.
        guard !counts.isExternal else { throw .externalData(tensor: counts.name) }
        return try check(counts)
    }

    /// The number of elements, all of which are there.
    private func check(_ counts: TensorCounts) throws(ModelFileError) -> Int {
        guard counts.elements >= 0, let elements = Int(exactly: counts.elements) else {
            throw .shape(tensor: counts.name)
        }
        if counts.type == FileElement.string {
            try expect(counts.values[6] ?? 0, elements, counts.name)
            return elements
        }
        guard let bits = FileElement.bits(counts.type) else { throw .elementType(counts.type, tensor: counts.name) }
        guard elements <= Int.max / 128 else { throw .shape(tensor: counts.name) }
        if let bytes = counts.rawBytes {
            let expected = (elements * bits + 7) / 8
            guard bytes == expected else {
                throw .tensorBytes(tensor: counts.name, bytes: bytes, expected: expected)
            }
            return elements
        }
        switch counts.type {
        case 1: try expect(counts.values[4] ?? 0, elements, counts.name)
        case 7: try expect(counts.values[7] ?? 0, elements, counts.name)
        case 11: try expect(counts.values[10] ?? 0, elements, counts.name)
        case 12, 13: try expect(counts.values[11] ?? 0, elements, counts.name)
        case 14: try expect(counts.values[4] ?? 0, elements * 2, counts.name)
        case 15: try expect(counts.values[10] ?? 0, elements * 2, counts.name)
        default:
            // Elements below a byte are packed by the byte, one byte in each value.
            let perValue = bits < 8 ? 8 / bits : 1
            try expect(counts.values[5] ?? 0, (elements + perValue - 1) / perValue, counts.name)
        }
        return elements
    }

    private func expect(_ values: Int, _ expected: Int, _ name: String) throws(ModelFileError) {
        guard values == expected else { throw .tensorElements(tensor: name, elements: values, expected: expected) }
    }

    /// A tensor written as its values and where they stand; the runtime makes it dense.
    mutating func sparseTensor(_ message: ByteView, depth: Int) throws(ModelFileError) {
        try within(depth)
        var counts = TensorCounts()
        var seen: Set<Int> = []
        var values = 0
        var reader = WireReader(message)
        while let field = try next(&reader) {
            if field.number <= 2, !seen.insert(field.number).inserted { throw .repeated("a sparse tensor's part") }
            switch field.number {
            case 1: values = try tensor(try content(field), depth: depth + 1)
            case 2: try tensor(try content(field), depth: depth + 1)
            case 3: try dimensions(field, &counts)
            default: break
            }
        }
        guard counts.elements >= values, counts.elements <= limits.denseElementsMax else {
            throw .shape(tensor: "sparse")
        }
    }

    /// Multiplies what `field` holds into `counts`; an overflow becomes -1 and stays so.
    private func dimensions(_ field: WireField, _ counts: inout TensorCounts) throws(ModelFileError) {
        var (product, rank) = (counts.elements, counts.rank)
        try eachVarint(field) { value in
            rank += 1
            let dimension = Int64(bitPattern: value)
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            product = overflow || dimension < 0 || product < 0 ? -1 : next
        }
        counts.elements = rank > limits.rankMax ? -1 : product
        counts.rank = rank
    }

    private func varints(_ field: WireField) throws(ModelFileError) -> Int {
        var count = 0
        try eachVarint(field) { _ in count += 1 }
        return count
    }

    private func eachVarint(_ field: WireField, _ body: (UInt64) -> Void) throws(ModelFileError) {
        do throws(WireOrBody<Never>) {
            try field.eachVarint { (value) throws(Never) in body(value) }
        } catch {
            switch error {
            case .wire(let error): throw ModelFileError(error)
            case .body: break
            }
        }
    }

    private func fixed(_ field: WireField, _ size: Int) throws(ModelFileError) -> Int {
        do throws(WireError) { return try field.fixedElements(size).count / size } catch { throw ModelFileError(error) }
    }

    // Types

    func valueInformation(
        _ message: ByteView, depth: Int
    ) throws(ModelFileError) -> (name: String, hasShape: Bool) {
        try within(depth)
        var value = (name: "", hasShape: false)
        var hasType = false
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1: value.name = try name(field, of: "an input, output or value")
            case 2:
                guard !hasType else { throw .repeated("a value's type") }
                hasType = true
                value.hasShape = try type(try content(field), depth: depth + 1)
            default: break
            }
        }
        return value
    }

    /// Whether it is a tensor's type with a shape. Types nest: a sequence of maps of sequences.
    func type(_ message: ByteView, depth: Int) throws(ModelFileError) -> Bool {
        try within(depth)
        var hasShape = false
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1, 8: hasShape = try tensorType(try content(field), depth: depth + 1)
            case 4, 5, 9: try nestedType(try content(field), inField: field.number == 5 ? 2 : 1, depth: depth + 1)
            default: break
            }
        }
        return hasShape
    }

    private func nestedType(_ message: ByteView, inField number: Int, depth: Int) throws(ModelFileError) {
        try within(depth)
        var reader = WireReader(message)
        while let field = try next(&reader) {
            guard field.number == number else { continue }
            _ = try type(try content(field), depth: depth + 1)
        }
    }

    private func tensorType(_ message: ByteView, depth: Int) throws(ModelFileError) -> Bool {
        try within(depth)
        var hasShape = false
        var rank = 0
        var reader = WireReader(message)
        while let field = try next(&reader) {
            guard field.number == 2 else { continue }
            hasShape = true
            var shape = WireReader(try content(field))
            while let field = try next(&shape) { rank += field.number == 1 ? 1 : 0 }
        }
        guard rank <= limits.rankMax else { throw .shape(tensor: "of \(rank) dimensions") }
        return hasShape
    }
}
