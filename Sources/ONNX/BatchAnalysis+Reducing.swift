// Enters: operators that look at one or more dimensions as a whole. Leaves: where the rows are, if they are not among them.

extension BatchAnalysis {
    mutating func reduce(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let numbers = try operands.numbers("axes", or: 1) ?? []
        if numbers.isEmpty, operands.integer("noop_with_empty_axes", default: 0) != 0 {
            return [value.with(dimensions, value.rows)]
        }
        let axes = numbers.isEmpty ? Array(dimensions.indices) : try operands.axes(numbers, rank: dimensions.count)
        return [try reduce(value, dimensions, Set(axes), keeps: operands.integer("keepdims", default: 1) != 0)]
    }

    private func reduce(
        _ value: BatchValue, _ dimensions: [Extent], _ axes: Set<Int>, keeps: Bool
    ) throws(BatchEnd) -> BatchValue {
        if let rows = value.rows, axes.contains(rows.index) { throw BatchEnd("it puts all rows together") }
        if keeps {
            return value.with(dimensions.indices.map { axes.contains($0) ? .one : dimensions[$0] }, value.rows)
        }
        return value.with(
            dimensions.indices.filter { !axes.contains($0) }.map { dimensions[$0] },
            value.rows.map { rows in rows.moved(to: rows.index - axes.filter { $0 < rows.index }.count) })
    }

    /// ArgMax, ArgMin.
    mutating func argument(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let axis = try operands.axis(operands.integer("axis", default: 0), rank: dimensions.count)
        return [try reduce(value, dimensions, [axis], keeps: operands.integer("keepdims", default: 1) != 0)]
    }

    /// Softmax, LogSoftmax, Hardmax: before version 13 over all dimensions from the axis on.
    mutating func softmax(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let isOne = opsets[""] ?? 13 >= 13
        return try along(operands, axis: operands.integer("axis", default: isOne ? -1 : 1), toEnd: !isOne)
    }

    /// Over one dimension, or (`toEnd`) over all from it on; the shape stays. Further inputs are parameters.
    mutating func along(_ operands: Operands, axis number: Int64, toEnd: Bool = false) throws(BatchEnd) -> [BatchValue]
    {
        let value = try operands.input(0)
        try operands.constants(from: 1)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let axis = try operands.axis(number, rank: dimensions.count)
        if let rows = value.rows, toEnd ? rows.index >= axis : rows.index == axis {
            throw BatchEnd("it puts all rows together")
        }
        return operands.alike(value.with(dimensions, value.rows))
    }

    mutating func lpNormalization(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try along(operands, axis: operands.integer("axis", default: -1))
    }

    /// LayerNormalization, RMSNormalization and what optimisers make of them: over all dimensions from the axis on.
    mutating func layerNormalization(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let results = try along(operands, axis: operands.integer("axis", default: -1), toEnd: true)
        // Mean and deviation have other shapes; inference does not use them.
        return [results[0]]
    }

    /// com.microsoft's SkipLayerNormalization: the sum of two inputs, normalised over the last dimension.
    mutating func skipLayerNormalization(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 2)
        let sum = try broadcast([try operands.input(0), try operands.input(1)])
        guard let rank = sum.rank, sum.rows?.index != rank - 1 else { throw BatchEnd("it puts all rows together") }
        // Of its four outputs the last is the sum; those between are not used by inference.
        guard operands.node.outputs.dropFirst().dropLast(operands.node.outputs.count == 4 ? 1 : 0).allSatisfy(\.isEmpty)
        else {
            throw BatchEnd("what it makes for training is not followed")
        }
        return operands.node.outputs.map { _ in sum }
    }

    mutating func meanVariance(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        let axes = try operands.axes(operands.integers("axes") ?? [0, 2, 3], rank: dimensions.count)
        guard !axes.contains(rows.index) else { throw BatchEnd("it puts all rows together") }
        return [value.with(dimensions, rows)]
    }

    mutating func cumulativeSum(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let axis = try operands.numbers("", or: 1)?.first else { throw BatchEnd("its axis is not known") }
        return try along(operands, axis: axis)
    }

    mutating func top(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        try operands.constants(from: 1)
        guard var dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let axis = try operands.axis(operands.integer("axis", default: -1), rank: dimensions.count)
        guard value.rows?.index != axis else { throw BatchEnd("it chooses among the rows") }
        dimensions[axis] =
            operands.integer("k").map { Extent($0) } ?? operands[1]?.elements?.first ?? unknownExtent("k")
        return operands.alike(value.with(dimensions, value.rows))
    }

    mutating func triangle(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        try operands.constants(from: 1)
        guard let rank = value.rank else { throw BatchEnd("the shape of its input is not known") }
        if let rows = value.rows, rows.index >= rank - 2 { throw BatchEnd("it treats rows by their number") }
        return [value.with(value.dimensions, value.rows)]
    }

    mutating func oneHot(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        try operands.constants(from: 1)
        let axis = try operands.axis(operands.integer("axis", default: -1), rank: dimensions.count + 1)
        var result = dimensions
        result.insert(operands[1]?.elements?.first ?? unknownExtent("depth"), at: axis)
        return [value.with(result, rows.index >= axis ? rows.moved(to: rows.index + 1) : rows)]
    }

    mutating func quantise(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        try operands.constants(from: 1)
        guard let dimensions = value.dimensions else { return [.unknown] }
        // One scale for all, or one for each place along an axis that is not the rows'.
        if let rows = value.rows, operands[1]?.rank != 0, operands[1]?.dimensions != [.one] {
            guard operands.integer("block_size", default: 0) == 0 else { throw BatchEnd("its scales are by blocks") }
            let axis = try operands.axis(operands.integer("axis", default: 1), rank: dimensions.count)
            guard rows.index != axis else { throw BatchEnd("a constant differs from row to row") }
        }
        return [value.with(dimensions, value.rows)]
    }

    mutating func reverseSequence(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        let batch = try operands.axis(operands.integer("batch_axis", default: 1), rank: dimensions.count)
        guard rows.index == batch, operands[1]?.rows == rows.moved(to: 0), operands[1]?.rank == 1 else {
            throw BatchEnd("its sequences are not the rows")
        }
        return [value.with(dimensions, rows)]
    }
}
