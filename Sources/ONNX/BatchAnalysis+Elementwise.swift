// Enters: operators whose every element depends on the elements at its place. Leaves: where their rows are.

extension BatchAnalysis {
    /// Each element by itself; further inputs are parameters.
    mutating func unary(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let value = try operands.input(0)
        return operands.alike(value.with(value.dimensions, value.rows))
    }

    /// Elements at the same place, after broadcasting.
    mutating func broadcast(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        var values: [BatchValue] = []
        for index in operands.inputs.indices { if let value = operands[index] { values.append(value) } }
        return [try broadcast(values)]
    }

    mutating func broadcast(_ values: [BatchValue]) throws(BatchEnd) -> BatchValue {
        guard values.contains(where: { $0.rows != nil }) else {
            guard values.allSatisfy({ $0.dimensions != nil }) else { return .unknown }
            return BatchValue(dimensions: try sizes(values.compactMap(\.dimensions)))
        }
        let rank = values.compactMap(\.rank).max() ?? 0
        var found: BatchAxis?
        for value in values {
            guard let rows = value.rows, let own = value.rank else { continue }
            let place = rows.moved(to: rows.index + rank - own)
            guard found == nil || found == place else { throw BatchEnd("rows of one input meet other rows of another") }
            found = place
        }
        guard let rows = found else { return .unknown }
        for value in values where value.rows == nil {
            guard let dimensions = value.dimensions else {
                throw BatchEnd("a constant that meets the rows has no known shape")
            }
            let own = rows.index - (rank - dimensions.count)
            guard own < 0 || dimensions[own] == .one else {
                throw BatchEnd("a constant differs from row to row")
            }
        }
        return BatchValue(dimensions: try sizes(values.compactMap(\.dimensions)), rows: rows)
    }

    /// The dimensions that broadcasting gives.
    mutating func sizes(_ shapes: [[Extent]]) throws(BatchEnd) -> [Extent] {
        let rank = shapes.map(\.count).max() ?? 0
        var result: [Extent] = []
        for index in 0..<rank {
            var size = Extent.one
            for shape in shapes {
                let own = index - (rank - shape.count)
                guard own >= 0, shape[own] != .one, shape[own] != size else { continue }
                switch (size.known, shape[own].known) {
                case (1?, _): size = shape[own]
                // A size that is not known may be 1; the other one stands.
                case (_?, nil): break
                case (nil, _?): size = shape[own]
                case (nil, nil): size = symbol("broadcast \(size.key) \(shape[own].key)")
                case (_?, _?): throw BatchEnd("its inputs have sizes that do not fit each other")
                }
            }
            result.append(size)
        }
        return result
    }

    /// Add, Sub, Mul, Div, Max, Min, Mod, Equal, …: also of sizes, which is how exporters work out shapes.
    mutating func arithmetic(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let values = operands.inputs.compactMap { $0 }
        var result = try broadcast(values)
        guard values.count == 2, let left = values[0].elements, let right = values[1].elements else {
            if values.contains(where: \.dependsOnSize) { throw BatchEnd("it computes with the number of rows") }
            return [result]
        }
        let count = left.count == 1 ? right.count : left.count
        guard right.count == count || right.count == 1 else { return [result] }
        var elements: [Extent] = []
        for index in 0..<count {
            let (one, other) = (left[left.count == 1 ? 0 : index], right[right.count == 1 ? 0 : index])
            if let element = compute(operands.node.id.name, one, other) {
                elements.append(element)
            } else if one.isBatchFree && other.isBatchFree {
                elements.append(symbol("\(operands.node.id.name) \(one.key) \(other.key)"))
            } else {
                throw BatchEnd("it computes with the number of rows")
            }
        }
        result.elements = elements
        return [result]
    }

    /// `nil`: it depends on sizes that are not known.
    private func compute(_ name: String, _ left: Extent, _ right: Extent) -> Extent? {
        switch name {
        case "Mul": return left.times(right)
        case "Div":
            if let one = left.known, let other = right.known {
                return other == 0 || one == .min ? nil : Extent(one / other)
            }
            return left.divided(by: right)
        case "Add":
            if right.known == 0 { return left }
            if left.known == 0 { return right }
        case "Sub" where right.known == 0: return left
        case "Sub" where left == right: return Extent(0)
        case "Equal":
            if left == right { return .one }
            // Sizes are not negative.
            if left.factor > 0, right.known ?? 0 < 0 { return Extent(0) }
            if right.factor > 0, left.known ?? 0 < 0 { return Extent(0) }
        default: break
        }
        guard let one = left.known, let other = right.known else { return nil }
        switch name {
        case "Add": return Self.exact(one.addingReportingOverflow(other))
        case "Sub": return Self.exact(one.subtractingReportingOverflow(other))
        case "Mod": return one >= 0 && other > 0 ? Extent(one % other) : nil
        case "Max": return Extent(max(one, other))
        case "Min": return Extent(min(one, other))
        case "Equal": return Extent(one == other ? 1 : 0)
        case "Greater": return Extent(one > other ? 1 : 0)
        case "GreaterOrEqual": return Extent(one >= other ? 1 : 0)
        case "Less": return Extent(one < other ? 1 : 0)
        case "LessOrEqual": return Extent(one <= other ? 1 : 0)
        case "And": return Extent(one != 0 && other != 0 ? 1 : 0)
        case "Or": return Extent(one != 0 || other != 0 ? 1 : 0)
        default: return nil
        }
    }

    private static func exact(_ result: (partialValue: Int64, overflow: Bool)) -> Extent? {
        result.overflow ? nil : Extent(result.partialValue)
    }

    mutating func choose(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (condition, left, right) = (try operands.input(0), try operands.input(1), try operands.input(2))
        var result = try broadcast([condition, left, right])
        guard let choices = condition.elements, let ones = left.elements, let others = right.elements else {
            if left.dependsOnSize || right.dependsOnSize || condition.dependsOnSize {
                throw BatchEnd("it computes with the number of rows")
            }
            return [result]
        }
        let count = max(choices.count, ones.count, others.count)
        var elements: [Extent] = []
        for index in 0..<count {
            func at(_ list: [Extent]) -> Extent? {
                list.count == 1 ? list[0] : index < list.count ? list[index] : nil
            }
            guard let choice = at(choices), let one = at(ones), let other = at(others) else { return [result] }
            if let choice = choice.known {
                elements.append(choice != 0 ? one : other)
            } else if one.isBatchFree && other.isBatchFree && choice.isBatchFree {
                elements.append(symbol("Where \(choice.key) \(one.key) \(other.key)"))
            } else {
                throw BatchEnd("it computes with the number of rows")
            }
        }
        result.elements = elements
        return [result]
    }

    mutating func cast(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        let type = operands.integer("to") ?? 0
        var result = value.with(value.dimensions, value.rows)
        // int32, int64 and bool hold sizes as they are.
        if [6, 7, 9].contains(type) { result.elements = value.elements }
        if type == 9, value.elements?.contains(where: { $0.known == nil }) ?? false { result.elements = nil }
        if result.elements == nil, value.dependsOnSize { throw BatchEnd("it computes with the number of rows") }
        result.unit = Self.unit(elementType: type)
        if value.bound > 0 { result.bound = BatchTable.sum * result.unit }
        return [result]
    }

    /// The same value; of a small one also what is in it.
    mutating func same(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        return operands.alike(try operands.input(0))
    }

    /// Cast to the type of another tensor, of whose values it sees none.
    mutating func castLike(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let value = try operands.input(0)
        return [value.with(value.dimensions, value.rows)]
    }

    mutating func constant(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let attributes = operands.node.attributes
        if let tensor = attributes["value"]?.tensor { return [try value(of: tensor)] }
        if let number = attributes["value_int"]?.integer { return [.scalar(Extent(number))] }
        if let numbers = attributes["value_ints"]?.integers, numbers.count <= Self.elementsMax {
            return [BatchValue(dimensions: [Extent(Int64(numbers.count))], elements: numbers.map { Extent($0) })]
        }
        if let numbers = attributes["value_floats"]?.floats {
            return [BatchValue(dimensions: [Extent(Int64(numbers.count))])]
        }
        if let texts = attributes["value_strings"]?.strings {
            return [BatchValue(dimensions: [Extent(Int64(texts.count))])]
        }
        if attributes["value_float"] != nil || attributes["value_string"] != nil { return [BatchValue(dimensions: [])] }
        return [.unknown]
    }
}
