// Enters: operators that move elements without computing. Leaves: where the rows are afterwards.

extension BatchAnalysis {
    // MARK: - Reshaping

    /// Elements in the same order, in other dimensions. Rows may be folded into another dimension and come out again: what lies
    /// before them and after them has to be a product of whole dimensions.
    func reshape(_ value: BatchValue, to target: [Extent]) throws(BatchEnd) -> BatchValue {
        guard let rows = value.rows, let dimensions = value.dimensions else {
            guard target.allSatisfy(\.isBatchFree) else {
                throw BatchEnd("it gives a constant as many rows as there are")
            }
            var result = value.with(target, nil)
            if target.count <= 1 { result.elements = value.elements }
            return result
        }
        guard let index = target.firstIndex(where: { !$0.isBatchFree }),
            target.filter({ !$0.isBatchFree }).count == 1
        else { throw BatchEnd("its shape has not one dimension for the rows") }
        let before = (Array(dimensions[..<rows.index]) + [rows.outer]).product()
        let after = ([rows.inner] + Array(dimensions[(rows.index + 1)...])).product()
        guard let before, let after, let left = target[..<index].product(),
            let right = target[(index + 1)...].product(),
            let outer = before.divided(by: left), let inner = after.divided(by: right),
            outer.times(.batch)?.times(inner) == target[index]
        else { throw BatchEnd("it folds rows into others: where they come out is not known") }
        return value.with(target, BatchAxis(index: index, outer: outer, inner: inner))
    }

    mutating func reshape(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard var target = operands.integers("shape")?.map({ Extent($0) }) ?? operands[1]?.elements else {
            throw BatchEnd("the shape that it makes is not known")
        }
        if operands.integer("allowzero", default: 0) == 0 {
            for index in target.indices where target[index].known == 0 {
                guard let dimensions = value.dimensions, index < dimensions.count else {
                    throw BatchEnd("the shape that it makes is not known")
                }
                target[index] = dimensions[index]
            }
        }
        let free = target.indices.filter { target[$0].known == -1 }
        if let index = free.first {
            guard free.count == 1, let total = value.dimensions?.product() else {
                throw BatchEnd("the shape that it makes is not known")
            }
            target[index] = .one
            guard let rest = target.product(), let size = total.divided(by: rest) else {
                throw BatchEnd("the shape that it makes is not known")
            }
            target[index] = size
        }
        guard target.allSatisfy({ $0.known ?? 0 >= 0 }) else { throw BatchEnd("the shape that it makes is not known") }
        return [try reshape(value, to: target)]
    }

    mutating func flatten(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let number = operands.integer("axis", default: 1)
        let axis =
            number == Int64(dimensions.count) ? dimensions.count : try operands.axis(number, rank: dimensions.count)
        guard let left = dimensions[..<axis].product(), let right = dimensions[axis...].product() else {
            throw BatchEnd("its dimensions are too large")
        }
        var result = try reshape(value, to: [left, right])
        if value.filler != nil {
            // Fillers stay behind the texts only where nothing else is joined with the last dimension.
            guard axis < dimensions.count, dimensions[axis..<(dimensions.count - 1)].allSatisfy({ $0 == .one }) else {
                throw BatchEnd("it joins texts with the fillers between them")
            }
            result.filler = value.filler
        }
        return [result]
    }

    mutating func squeeze(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        var named = try operands.numbers("axes", or: 1)
        if named == nil, value.rows == nil, dimensions.allSatisfy({ $0.known != nil }) {
            named = dimensions.indices.filter { dimensions[$0] == .one }.map { Int64($0) }
        }
        guard let numbers = named else {
            throw BatchEnd("it drops the rows' dimension where there is one row")
        }
        let axes = Set(try operands.axes(numbers, rank: dimensions.count))
        if let rows = value.rows, axes.contains(rows.index) { throw BatchEnd("it drops the rows' dimension") }
        var result = value.with(
            dimensions.indices.filter { !axes.contains($0) }.map { dimensions[$0] },
            value.rows.map { rows in rows.moved(to: rows.index - axes.filter { $0 < rows.index }.count) })
        result.elements = value.elements
        return [result]
    }

    mutating func unsqueeze(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions, let numbers = try operands.numbers("axes", or: 1) else {
            throw BatchEnd("the shape of its input is not known")
        }
        let rank = dimensions.count + numbers.count
        let axes = Set(try operands.axes(numbers, rank: rank))
        guard axes.count == numbers.count else { throw BatchEnd("an axis stands twice") }
        var (result, position, place) = ([Extent](), 0, value.rows)
        for index in 0..<rank {
            if axes.contains(index) {
                result.append(.one)
            } else {
                if position == value.rows?.index { place = value.rows?.moved(to: index) }
                result.append(dimensions[position])
                position += 1
            }
        }
        var output = value.with(result, place)
        if rank <= 1 { output.elements = value.elements }
        return [output]
    }

    mutating func transpose(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let order = try operands.axes(
            operands.integers("perm") ?? (0..<Int64(dimensions.count)).reversed(), rank: dimensions.count)
        guard order.count == dimensions.count, Set(order).count == order.count else {
            throw BatchEnd("its 'perm' is no order of the dimensions")
        }
        let rows = value.rows.flatMap { rows in order.firstIndex(of: rows.index).map { rows.moved(to: $0) } }
        var result = value.with(order.map { dimensions[$0] }, rows)
        if order.count <= 1 { result.elements = value.elements }
        return [result]
    }

    // MARK: - Sizes

    mutating func shape(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let dimensions = try operands.input(0).dimensions else {
            throw BatchEnd("the shape of its input is not known")
        }
        func place(_ number: Int64) -> Int {
            let rank = Int64(dimensions.count)
            return Int(min(max(number < 0 ? number + rank : number, 0), rank))
        }
        let (start, end) = (place(operands.integer("start", default: 0)), place(operands.integer("end", default: .max)))
        let elements = Array(dimensions[start..<max(start, end)])
        return [BatchValue(dimensions: [Extent(Int64(elements.count))], elements: elements)]
    }

    mutating func size(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let total = try operands.input(0).dimensions?.product() else {
            throw BatchEnd("the shape of its input is not known")
        }
        return [.scalar(total)]
    }

    /// Dimensions of a constant tensor all of whose elements are alike, or that repeats a row of its own.
    private func filled(_ dimensions: [Extent], _ value: BatchValue) throws(BatchEnd) -> BatchValue {
        guard dimensions.allSatisfy({ $0.factor >= 0 }) else { throw BatchEnd("the shape that it makes is negative") }
        let places = dimensions.indices.filter { !dimensions[$0].isBatchFree }
        guard places.count <= 1 else { throw BatchEnd("it makes a table of rows by rows") }
        guard let index = places.first else { return value.with(dimensions, nil) }
        guard let inner = dimensions[index].divided(by: .batch), inner.isBatchFree else {
            throw BatchEnd("it makes a table of rows by rows")
        }
        return value.with(dimensions, BatchAxis(index: index, outer: .one, inner: inner))
    }

    mutating func constantOfShape(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let dimensions = try operands.input(0).elements else {
            throw BatchEnd("the shape that it makes is not known")
        }
        var result = try filled(dimensions, .unknown)
        if let value = operands.node.attributes["value"]?.tensor, result.rows == nil, dimensions.count <= 1,
            let element = try self.value(of: value).elements?.first,
            let count = (dimensions.first ?? .one).known, count <= Int64(Self.elementsMax)
        {
            result.elements = Array(repeating: element, count: Int(count))
        }
        return [result]
    }

    mutating func expand(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let target = operands[1]?.elements else { throw BatchEnd("the shape that it makes is not known") }
        return [try expand(try operands.input(0), to: target)]
    }

    private mutating func expand(_ value: BatchValue, to target: [Extent]) throws(BatchEnd) -> BatchValue {
        guard let dimensions = value.dimensions else { throw BatchEnd("the shape of its input is not known") }
        let rank = max(dimensions.count, target.count)
        let (own, wanted) = (rank - dimensions.count, rank - target.count)
        for index in 0..<rank {
            let size = index >= own ? dimensions[index - own] : .one
            let other = index >= wanted ? target[index - wanted] : .one
            guard size != other, !size.isBatchFree || !other.isBatchFree else { continue }
            guard size == .one || other == .one, !(value.rows != nil && !other.isBatchFree) else {
                throw BatchEnd("rows meet a dimension of another size")
            }
        }
        let result = try sizes([dimensions, target])
        if let rows = value.rows { return value.with(result, rows.moved(to: rows.index + own)) }
        var output = try filled(result, value)
        if output.rows == nil, result.count <= 1, let elements = value.elements,
            let count = (result.first ?? .one).known, count <= Int64(Self.elementsMax)
        {
            output.elements = elements.count == 1 ? Array(repeating: elements[0], count: Int(count)) : elements
        }
        return output
    }

    mutating func tile(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        guard let dimensions = value.dimensions, let repeats = operands[1]?.elements, repeats.count == dimensions.count
        else { throw BatchEnd("how often it repeats is not known") }
        if let rows = value.rows, repeats[rows.index] != .one { throw BatchEnd("it repeats the rows") }
        var result: [Extent] = []
        for (size, times) in zip(dimensions, repeats) {
            guard times.isBatchFree || (value.rows == nil && size == .one), let product = size.times(times) else {
                throw BatchEnd("it repeats its input for each row")
            }
            result.append(product)
        }
        return [value.rows == nil ? try filled(result, value) : value.with(result, value.rows)]
    }

    mutating func range(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        var numbers: [Int64] = []
        for index in 0..<3 {
            let value = try operands.input(index)
            guard value.isConstant else { throw BatchEnd("it counts the rows") }
            if let number = value.elements?.first?.known { numbers.append(number) }
        }
        if operands[0]?.elements == [Extent(0)], operands[2]?.elements == [.one],
            let count = operands[1]?.elements?.first,
            count.known == nil
        {
            return [BatchValue(dimensions: [count])]
        }
        guard numbers.count == 3, numbers[2] != 0, numbers.allSatisfy({ $0.magnitude < 1 << 30 }) else {
            return [BatchValue(dimensions: [unknownExtent("count")])]
        }
        let elements = Array(stride(from: numbers[0], to: numbers[1], by: Int(numbers[2])).prefix(Self.elementsMax + 1))
        guard elements.count <= Self.elementsMax else { return [BatchValue(dimensions: [unknownExtent("count")])] }
        return [BatchValue(dimensions: [Extent(Int64(elements.count))], elements: elements.map { Extent($0) })]
    }
}
