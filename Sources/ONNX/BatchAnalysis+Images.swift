// Enters: operators on images and sequences, whose first dimension is the batch by definition. Leaves: where the rows are.

import Protobuf

extension BatchAnalysis {
    /// Each entry of the first dimension by itself; further inputs are parameters. Dimensions are those of the input.
    mutating func perEntry(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try entries(operands, 0)
        return [value.with(dimensions, rows)]
    }

    /// The same, with sizes that are not worked out.
    mutating func shapeless(_ operands: Operands) throws(BatchEnd) -> BatchValue {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try entries(operands, 0)
        return value.with(fresh(dimensions, from: 1), rows)
    }

    /// An input whose rows are its first dimension.
    func entries(
        _ operands: Operands, _ index: Int
    ) throws(BatchEnd) -> (value: BatchValue, dimensions: [Extent], rows: BatchAxis) {
        let found = try operands.rows(index)
        guard found.rows.index == 0, found.dimensions.count >= 2 else {
            throw BatchEnd("the rows are not the first dimension of its input '\(operands.name(index))'")
        }
        return found
    }

    /// Conv and its kind: `weight` says at which input the weights stand, all but `data` are parameters.
    mutating func convolution(_ operands: Operands, weight: Int) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try entries(operands, 0)
        let kernel = operands[weight]?.dimensions ?? []
        guard kernel.count == dimensions.count else { throw BatchEnd("the shape of its weights is not known") }
        let sizes = window(
            operands, dimensions, kernel: operands.integers("kernel_shape") ?? kernel.dropFirst(2).map { $0.known ?? 0 }
        )
        return [value.with([dimensions[0], kernel[0]] + sizes, rows)]
    }

    /// com.microsoft's FusedConv: something is added whose rows are these rows.
    mutating func fusedConvolution(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard operands[3] == nil || operands[3]?.rows == BatchAxis(index: 0) else {
            throw BatchEnd("rows of one input meet other rows of another")
        }
        let own = Operands(node: operands.node, inputs: Array(operands.inputs.prefix(3)), scope: operands.scope)
        return try convolution(own, weight: 1)
    }

    /// The dimensions with sizes that are not known, from one on.
    mutating func fresh(_ dimensions: [Extent], from first: Int) -> [Extent] {
        var result = dimensions
        for index in dimensions.indices.dropFirst(first) { result[index] = unknownExtent("axis \(index)") }
        return result
    }

    mutating func pool(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try entries(operands, 0)
        guard operands.node.outputs.count < 2 || operands.node.outputs[1].isEmpty else {
            throw BatchEnd("it numbers elements over the whole batch")
        }
        guard dimensions.count > 2 else { throw BatchEnd("the shape of its input is not known") }
        let sizes = window(operands, dimensions, kernel: operands.integers("kernel_shape") ?? [])
        return [value.with([dimensions[0], dimensions[1]] + sizes, rows)]
    }

    /// Sizes of what windows give, where they are known. Source: ONNX's Conv and MaxPool, "pads", "auto_pad", "ceil_mode".
    private mutating func window(_ operands: Operands, _ dimensions: [Extent], kernel: [Int64]) -> [Extent] {
        let count = dimensions.count - 2
        let strides = operands.integers("strides") ?? Array(repeating: 1, count: count)
        let dilations = operands.integers("dilations") ?? Array(repeating: 1, count: count)
        let pads = operands.integers("pads") ?? Array(repeating: 0, count: count * 2)
        let automatic = operands.text("auto_pad") ?? "NOTSET"
        let isCeiling = operands.integer("ceil_mode", default: 0) != 0
        var sizes: [Extent] = []
        for index in 0..<count {
            guard let size = dimensions[index + 2].known, kernel.count == count, strides.count == count,
                dilations.count == count, pads.count == count * 2, !isCeiling,
                ([size, kernel[index], strides[index], dilations[index]] + pads).allSatisfy({ $0.magnitude < 1 << 30 }),
                strides[index] > 0, kernel[index] > 0
            else {
                sizes.append(unknownExtent("axis \(index + 2)"))
                continue
            }
            let reach = dilations[index] * (kernel[index] - 1) + 1
            switch automatic {
            case "NOTSET": sizes.append(Extent((size + pads[index] + pads[index + count] - reach) / strides[index] + 1))
            case "VALID": sizes.append(Extent((size - reach) / strides[index] + 1))
            default: sizes.append(Extent((size + strides[index] - 1) / strides[index]))
            }
        }
        return sizes
    }

    mutating func globalPool(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try entries(operands, 0)
        guard operands.integer("channels_last", default: 0) == 0 else {
            return [value.with(fresh(dimensions, from: 1), rows)]
        }
        return [value.with(dimensions.indices.map { $0 < 2 ? dimensions[$0] : .one }, rows)]
    }

    mutating func batchNormalization(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard operands.integer("training_mode", default: 0) == 0,
            operands.node.outputs.dropFirst().allSatisfy(\.isEmpty)
        else { throw BatchEnd("it normalises over the rows, as in training") }
        return try perEntry(operands)
    }

    mutating func dropout(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let training = operands[2].map { $0.elements?.first?.known }
        guard training == nil || training == 0 else { throw BatchEnd("it may drop elements by chance, as in training") }
        return try unary(operands)
    }

    mutating func resize(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try entries(operands, 0)
        guard operands.text("coordinate_transformation_mode") != "tf_crop_and_resize" else {
            throw BatchEnd("it may cut rows off")
        }
        // Upsample has its scales as its second input; Resize before version 11 as well.
        let scales = operands.inputs.count > 2 ? operands[2] : operands[1]
        let first = operands.integers("axes").map { !$0.contains(0) && !$0.contains(-Int64(dimensions.count)) } ?? false
        var keeps = first
        if let sizes = operands[3]?.elements { keeps = keeps || sizes.first == dimensions[0] }
        if let constant = scales?.constant {
            do throws(WireError) {
                if try constant.floats(countMax: Self.elementsMax)?.first == 1 { keeps = true }
            } catch {
                throw BatchEnd(error.sentence)
            }
        }
        if let scales = operands.node.attributes["scales"]?.floats { keeps = keeps || scales.first == 1 }
        guard keeps else { throw BatchEnd("it is not known to leave the rows' dimension as it is") }
        try operands.constants([1, 2])
        guard operands[3]?.rows == nil else { throw BatchEnd("its sizes depend on the rows") }
        return [value.with(fresh(dimensions, from: 1), rows)]
    }

    mutating func pad(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        try operands.constants(from: 1)
        guard var dimensions = value.dimensions, let pads = try operands.numbers("pads", or: 1) else {
            throw BatchEnd("the shape of its input is not known")
        }
        let numbers = try operands.numbers("", or: 3) ?? (0..<Int64(dimensions.count)).map { $0 }
        let axes = try operands.axes(numbers, rank: dimensions.count)
        guard pads.count == axes.count * 2 else { throw BatchEnd("what it adds is not known") }
        for (position, axis) in axes.enumerated() {
            let (before, after) = (pads[position], pads[position + axes.count])
            if before == 0 && after == 0 { continue }
            guard value.rows?.index != axis else { throw BatchEnd("it adds rows") }
            guard let size = dimensions[axis].known, before.magnitude < 1 << 30, after.magnitude < 1 << 30,
                size.magnitude < 1 << 40
            else {
                dimensions[axis] = unknownExtent("axis \(axis)")
                continue
            }
            dimensions[axis] = Extent(size + before + after)
        }
        return [value.with(dimensions, value.rows)]
    }

    mutating func gridSample(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try entries(operands, 0)
        guard operands[1]?.rows == rows else { throw BatchEnd("rows of one input meet other rows of another") }
        return [value.with(fresh(dimensions, from: 2), rows)]
    }

    /// RNN, GRU, LSTM. Source: ONNX's LSTM, "layout".
    mutating func recurrent(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        let isFirst = operands.integer("layout", default: 0) == 1
        guard dimensions.count == 3, rows.index == (isFirst ? 0 : 1) else {
            throw BatchEnd("its sequences are not the rows")
        }
        try operands.constants([1, 2, 3, 7])
        if let lengths = operands[4] {
            guard lengths.rows == rows.moved(to: 0) else { throw BatchEnd("a constant differs from row to row") }
        }
        for index in 5..<7 {
            guard let state = operands[index] else { continue }
            guard state.rows == rows.moved(to: isFirst ? 0 : 1) else {
                throw BatchEnd("its first state '\(operands.name(index))' does not have a row for each row")
            }
        }
        let directions = Extent(operands.text("direction") == "bidirectional" ? 2 : 1)
        let (count, batch) = (dimensions[isFirst ? 1 : 0], dimensions[rows.index])
        let hidden = operands.integer("hidden_size").map { Extent($0) } ?? unknownExtent("hidden")
        let all =
            isFirst
            ? value.with([batch, count, directions, hidden], rows.moved(to: 0))
            : value.with([count, directions, batch, hidden], rows.moved(to: 2))
        let last =
            isFirst
            ? value.with([batch, directions, hidden], rows.moved(to: 0))
            : value.with([directions, batch, hidden], rows.moved(to: 1))
        return [all, last, last]
    }
}
