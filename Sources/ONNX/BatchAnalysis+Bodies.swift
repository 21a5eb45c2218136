// Enters: If, Loop and Scan. Leaves: where the rows are after their bodies, if which of them run does not depend on the batch.

extension BatchAnalysis {
    mutating func branch(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let condition = operands[0], condition.isConstant else {
            throw BatchEnd("its condition depends on the batch: all rows go one way")
        }
        guard let one = operands.node.attributes["then_branch"]?.graph,
            let other = operands.node.attributes["else_branch"]?.graph
        else { throw BatchEnd("it has no branches") }
        if let choice = condition.elements?.first?.known {
            return try body(choice != 0 ? one : other, [], in: operands.scope)
        }
        var ones = try body(one, [], in: operands.scope)
        let others = try body(other, [], in: operands.scope)
        guard ones == others else {
            throw BatchEnd("which of its branches runs is not known, and they differ in their shapes")
        }
        for index in ones.indices { ones[index].bound = max(ones[index].bound, others[index].bound) }
        return ones
    }

    mutating func loop(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let graph = operands.node.attributes["body"]?.graph else { throw BatchEnd("it has no body") }
        for index in 0..<2 where operands[index]?.isConstant == false {
            throw BatchEnd("how often it runs depends on the batch")
        }
        var states: [BatchValue] = []
        for index in operands.inputs.indices.dropFirst(2) { states.append(try operands.input(index)) }
        let turn = BatchValue(dimensions: [])
        let results = try settle(&states) { (analysis, states) throws(BatchEnd) in
            let results = try analysis.body(graph, [turn, turn] + states, in: operands.scope)
            guard results.first?.isConstant ?? false else { throw BatchEnd("how often it runs depends on the batch") }
            return Array(results.dropFirst())
        }
        return states + stacked(results.dropFirst(states.count), at: [])
    }

    mutating func scan(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard let graph = operands.node.attributes["body"]?.graph, (opsets[""] ?? 9) >= 9 else {
            throw BatchEnd("it has no body that can be followed")
        }
        let count = Int(clamping: operands.integer("num_scan_inputs", default: 0))
        guard count > 0, count <= operands.inputs.count else { throw BatchEnd("it has no inputs to go along") }
        let first = operands.inputs.count - count
        var (states, elements, along) = ([BatchValue](), [BatchValue](), [BatchAxis]())
        for index in 0..<first { states.append(try operands.input(index)) }
        for index in first..<operands.inputs.count {
            let value = try operands.input(index)
            guard var dimensions = value.dimensions, !value.dependsOnSize else {
                throw BatchEnd("the shape of its input is not known")
            }
            let axis = try operands.axis(
                operands.integers("scan_input_axes")?.dropFirst(index - first).first ?? 0, rank: dimensions.count)
            dimensions.remove(at: axis)
            if let rows = value.rows, rows.index == axis { along.append(rows) }
            let rows = value.rows.flatMap {
                $0.index == axis ? nil : $0.moved(to: $0.index > axis ? $0.index - 1 : $0.index)
            }
            var element = value.with(dimensions, rows)
            element.bound = value.bound
            elements.append(element)
        }
        let places = operands.integers("scan_output_axes") ?? []
        guard along.isEmpty else {
            // A turn for each row, and nothing handed on from one to the next.
            guard states.isEmpty, along.count == elements.count, along.allSatisfy({ $0 == along[0] }),
                (operands.integers("scan_input_directions") ?? []).allSatisfy({ $0 == 0 }),
                (operands.integers("scan_output_directions") ?? []).allSatisfy({ $0 == 0 }),
                places.allSatisfy({ $0 == 0 })
            else { throw BatchEnd("it goes along the rows and hands on from one to the next") }
            let results = try body(graph, elements, in: operands.scope)
            guard results.allSatisfy(\.isConstant) else { throw BatchEnd("rows choose from other rows") }
            let size = along[0].outer.times(.batch)?.times(along[0].inner) ?? .batch
            var outputs: [BatchValue] = []
            for result in results {
                guard let dimensions = result.dimensions else {
                    throw BatchEnd("the shape of what its body makes is not known")
                }
                var output = result.with([size] + dimensions, along[0].moved(to: 0))
                // A turn is the same computation whatever the number of rows; what it makes of inexact rows is not followed.
                output.bound = elements.contains { $0.bound > 0 } ? .infinity : 0
                outputs.append(output)
            }
            return outputs
        }
        let results = try settle(&states) { (analysis, states) throws(BatchEnd) in
            try analysis.body(graph, states + elements, in: operands.scope)
        }
        return states + stacked(results.dropFirst(states.count), at: places)
    }

    /// Follows a body until what it hands on to its next turn is known: the same places of rows, and sizes that stay.
    private mutating func settle(
        _ states: inout [BatchValue],
        _ turn: (inout BatchAnalysis, [BatchValue]) throws(BatchEnd) -> [BatchValue]
    ) throws(BatchEnd) -> [BatchValue] {
        for state in states where state.dependsOnSize { throw BatchEnd("it computes with the number of rows") }
        for index in states.indices {
            let bound = states[index].bound
            states[index] = states[index].with(states[index].dimensions, states[index].rows)
            states[index].bound = bound
        }
        for _ in 0..<3 {
            let results = try turn(&self, states)
            guard results.count >= states.count else { throw BatchEnd("its body has too few outputs") }
            var next = states
            for index in states.indices {
                guard results[index].rows == states[index].rows, !results[index].dependsOnSize else {
                    throw BatchEnd("rows are elsewhere after a turn of its body")
                }
                next[index] = merged(states[index], results[index], index)
            }
            let isSettled = next == states && zip(next, states).allSatisfy { $0.bound == $1.bound }
            states = next
            if isSettled { return results }
        }
        throw BatchEnd("what its body hands on does not settle")
    }

    private mutating func merged(_ state: BatchValue, _ result: BatchValue, _ index: Int) -> BatchValue {
        var merged = state
        merged.bound = max(state.bound, result.bound)
        merged.unit = max(state.unit, result.unit)
        guard let one = state.dimensions, let other = result.dimensions, one.count == other.count else {
            merged.dimensions = nil
            return merged
        }
        merged.dimensions = one.indices.map { place in
            one[place] == other[place] ? one[place] : unknownExtent("state \(index) \(place)")
        }
        return merged
    }

    /// Outputs of a body, one behind another in a dimension of their own.
    private mutating func stacked(_ results: ArraySlice<BatchValue>, at places: [Int64]) -> [BatchValue] {
        let turns = unknownExtent("turns")
        return results.enumerated().map { (number, result) in
            guard var dimensions = result.dimensions else { return .unknown }
            let wanted = number < places.count ? places[number] : 0
            let place = Int(clamping: wanted < 0 ? wanted + Int64(dimensions.count) + 1 : wanted)
            dimensions.insert(turns, at: min(max(place, 0), dimensions.count))
            var output = result.with(
                dimensions, result.rows.map { $0.moved(to: $0.index >= place ? $0.index + 1 : $0.index) })
            output.bound = result.bound
            return output
        }
    }
}
