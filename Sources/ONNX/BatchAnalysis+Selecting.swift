// Enters: operators that take elements out of tensors or put tensors side by side. Leaves: where the rows are afterwards.

extension BatchAnalysis {
    mutating func concatenate(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try concatenate(operands, operands.inputs.compactMap { $0 }, axis: operands.integer("axis", default: 1))
    }

    mutating func concatenate(_ operands: Operands, _ values: [BatchValue], axis number: Int64) throws(BatchEnd)
        -> [BatchValue]
    {
        guard let first = values.first, let rank = first.rank else {
            throw BatchEnd("the shape of its input is not known")
        }
        let axis = try operands.axis(number, rank: rank)
        var total: Extent? = Extent(0)
        let rows = values.first { $0.rows != nil }?.rows
        for value in values {
            guard let dimensions = value.dimensions, dimensions.count == rank else {
                throw BatchEnd("the shape of its input is not known")
            }
            guard value.rows == rows else { throw BatchEnd("it puts rows beside what has other rows or none") }
            total = total?.plus(dimensions[axis])
        }
        guard rows?.index != axis else { throw BatchEnd("it adds rows") }
        var dimensions = first.dimensions ?? []
        dimensions[axis] = total ?? unknownExtent("axis \(axis)")
        var result = BatchValue(dimensions: dimensions, rows: rows)
        if rank == 1, rows == nil {
            let elements = values.compactMap(\.elements)
            if elements.count == values.count { result.elements = Array(elements.joined()) }
            if result.elements == nil, values.contains(where: \.dependsOnSize) {
                throw BatchEnd("it computes with the number of rows")
            }
            if let count = result.elements?.count {
                guard count <= Self.elementsMax else { throw BatchEnd("its shape is too long") }
                result.dimensions = [Extent(Int64(count))]
            }
        }
        return [result]
    }

    mutating func gather(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (data, indices) = (try operands.input(0), try operands.input(1))
        guard let shape = data.dimensions, let wanted = indices.dimensions else {
            throw BatchEnd("the shape of its input is not known")
        }
        let axis = try operands.axis(operands.integer("axis", default: 0), rank: shape.count)
        guard data.rows == nil || indices.rows == nil else { throw BatchEnd("rows choose from other rows") }
        guard !indices.dependsOnSize else { throw BatchEnd("it computes with the number of rows") }
        let dimensions = shape[..<axis] + wanted + shape[(axis + 1)...]
        var result = data.with(Array(dimensions), nil)
        if let rows = data.rows {
            guard rows.index != axis else { throw BatchEnd("it chooses among the rows") }
            result.rows = rows.moved(to: rows.index < axis ? rows.index : rows.index + wanted.count - 1)
        } else if let rows = indices.rows {
            guard data.isConstant else { throw BatchEnd("it computes with the number of rows") }
            result.rows = rows.moved(to: rows.index + axis)
        } else if let elements = data.elements, shape.count == 1 {
            result.elements = try pick(elements, indices)
            if result.elements == nil, data.dependsOnSize { throw BatchEnd("it computes with the number of rows") }
        } else if data.dependsOnSize {
            throw BatchEnd("it computes with the number of rows")
        }
        return [result]
    }

    /// `nil`: which elements they are is not known.
    private func pick(_ elements: [Extent], _ indices: BatchValue) throws(BatchEnd) -> [Extent]? {
        guard let numbers = indices.elements, indices.rank ?? 2 <= 1 else { return nil }
        var picked: [Extent] = []
        for number in numbers {
            guard let index = number.known else { return nil }
            let place = index < 0 ? index + Int64(elements.count) : index
            guard place >= 0, place < elements.count else {
                throw BatchEnd("it takes element \(index) of \(elements.count)")
            }
            picked.append(elements[Int(place)])
        }
        return picked
    }

    /// GatherElements, ScatterElements: an element of each place, along one axis that is not the rows'.
    mutating func alongAxis(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (data, dimensions, rows) = try operands.rows(0)
        let axis = try operands.axis(operands.integer("axis", default: 0), rank: dimensions.count)
        guard rows.index != axis else { throw BatchEnd("it chooses among the rows") }
        for index in operands.inputs.indices.dropFirst() {
            guard operands[index]?.rows == rows else { throw BatchEnd("rows choose from what has other rows or none") }
        }
        let isScatter = operands.inputs.count > 2
        return [data.with(isScatter ? dimensions : operands[1]?.dimensions, rows)]
    }

    mutating func gatherND(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (data, indices) = (try operands.input(0), try operands.input(1))
        let shared = Int(clamping: operands.integer("batch_dims", default: 0))
        guard let shape = data.dimensions, let wanted = indices.dimensions, let last = wanted.last?.known,
            let taken = Int(exactly: last), 0...shape.count ~= shared, 0...(shape.count - shared) ~= taken,
            shared < wanted.count
        else { throw BatchEnd("the shape of its input is not known") }
        let dimensions = Array(wanted.dropLast()) + shape[(shared + taken)...]
        if let rows = data.rows {
            guard rows.index < shared, indices.rows == rows else { throw BatchEnd("it chooses among the rows") }
            return [data.with(dimensions, rows)]
        }
        guard data.isConstant else { throw BatchEnd("it computes with the number of rows") }
        if let rows = indices.rows {
            guard shared == 0, rows.index < wanted.count - 1 else { throw BatchEnd("rows choose from what has none") }
            return [data.with(dimensions, rows)]
        }
        return [data.with(dimensions, nil)]
    }

    mutating func slice(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard var dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        try operands.constants(from: 3)
        let count = operands.integers("starts")?.count ?? operands[1]?.dimensions?.first?.known.map { Int($0) } ?? 0
        guard count >= 0, count <= dimensions.count else { throw BatchEnd("what it takes is not known") }
        let numbers = try operands.numbers("axes", or: 3) ?? (0..<Int64(count)).map { $0 }
        let axes = try operands.axes(numbers, rank: dimensions.count)
        let steps = try operands.numbers("steps", or: 4) ?? axes.map { _ in 1 }
        let starts = operands.integers("starts")?.map { Extent($0) } ?? operands[1]?.elements
        let ends = operands.integers("ends")?.map { Extent($0) } ?? operands[2]?.elements
        guard axes.count == count, steps.count == count else { throw BatchEnd("what it takes is not known") }
        var elements = value.elements
        for (position, axis) in axes.enumerated() {
            let (start, end) = (starts?[safe: position], ends?[safe: position])
            if let rows = value.rows, rows.index == axis {
                let isAll =
                    start == Extent(0) && steps[position] == 1
                    && (end == dimensions[axis] || end?.known ?? 0 >= 1 << 31 - 1)
                guard isAll else { throw BatchEnd("it takes some of the rows") }
                continue
            }
            guard start?.isBatchFree ?? true, end?.isBatchFree ?? true else {
                throw BatchEnd("it computes with the number of rows")
            }
            let picked = Self.taken(dimensions[axis].known, start?.known, end?.known, steps[position])
            if dimensions.count == 1 {
                elements = elements.flatMap { elements in picked.map { $0.compactMap { elements[safe: Int($0)] } } }
            }
            let size = picked.map { Extent(Int64($0.count)) }
            dimensions[axis] =
                size
                ?? symbol(
                    "slice \(dimensions[axis].key) \(start?.key ?? place) \(end?.key ?? place) \(steps[position])")
        }
        guard dimensions.count > 1 || elements != nil || !value.dependsOnSize else {
            throw BatchEnd("it computes with the number of rows")
        }
        var result = value.with(dimensions, value.rows)
        if dimensions.count == 1 { result.elements = elements }
        return [result]
    }

    /// The places that a slice takes of so many. `nil`: not known, or too many to be named.
    private static func taken(_ count: Int64?, _ start: Int64?, _ end: Int64?, _ step: Int64) -> [Int64]? {
        guard let count, let start, let end, step != 0, step > -(1 << 31), step < 1 << 31 else { return nil }
        func clamp(_ number: Int64, _ low: Int64, _ high: Int64) -> Int64 {
            min(max(number < 0 ? number + count : number, low), high)
        }
        let isForward = step > 0
        let first = clamp(start, 0, isForward ? count : count - 1)
        let last = isForward ? clamp(end, 0, count) : clamp(end, -1, count - 1)
        let places = (Double(last) - Double(first)) / Double(step)
        guard places <= 1_048_576 else { return nil }
        return Array(stride(from: first, to: last, by: Int(step)))
    }

    mutating func split(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let axis = try operands.axis(operands.integer("axis", default: 0), rank: dimensions.count)
        guard value.rows?.index != axis else { throw BatchEnd("it divides the rows") }
        guard !value.dependsOnSize else { throw BatchEnd("it computes with the number of rows") }
        try operands.constants(from: 1)
        let sizes = try operands.numbers("split", or: 1)
        let count = Int64(max(1, operands.node.outputs.count))
        var results: [BatchValue] = []
        for index in 0..<operands.node.outputs.count {
            var own = dimensions
            let size = sizes?[safe: index].map { Extent($0) }
            let even = (dimensions[axis].known ?? 1) % count == 0 ? dimensions[axis].divided(by: Extent(count)) : nil
            own[axis] = size ?? even ?? unknownExtent("part \(index)")
            results.append(value.with(own, value.rows))
        }
        return results
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
