// Enters: which operators each function of a model file calls. Leaves: nothing, or why that has no end.

/// What names an operator, or a function that stands for one.
struct OperatorName: Hashable {
    var domain = ""
    var name = ""
    var overload = ""
}

/// The functions of a model. The runtime replaces every call by the function's body, so their calls must end, and a few
/// functions that call each other twice must not become a graph larger than memory.
struct FunctionCalls {
    struct Body {
        /// How often each operator stands in it.
        var calls: [OperatorName: Int] = [:]
    }

    /// What a call becomes when the runtime has put the function's body in its place.
    private struct Expanded {
        var nodes = 0
        /// How deep functions call functions.
        var depth = 0
    }

    private enum State {
        case open
        case done(Expanded)
    }

    private var bodies: [OperatorName: Body] = [:]
    private var states: [OperatorName: State] = [:]

    mutating func define(_ id: OperatorName, _ body: Body, limits: ModelFileLimits) throws(ModelFileError) {
        guard bodies.updateValue(body, forKey: id) == nil else { throw .repeated("a function") }
        guard bodies.count <= limits.functionsMax else { throw .tooMany("functions", limits.functionsMax) }
    }

    mutating func check(main: Body, limits: ModelFileLimits) throws(ModelFileError) {
        // Functions that nobody calls are read by the runtime too.
        for id in bodies.keys { _ = try expanded(id, open: 1, limits) }
        _ = try expanded(main, open: 0, limits)
    }

    private mutating func expanded(
        _ id: OperatorName, open: Int, _ limits: ModelFileLimits
    ) throws(ModelFileError) -> Expanded {
        switch states[id] {
        case .open: throw .recursiveFunction(id.name)
        case .done(let expanded): return expanded
        case nil: break
        }
        guard let body = bodies[id] else { return Expanded(nodes: 1, depth: 0) }
        // Bounds our own recursion; a cycle that is longer is refused by this bound.
        guard open <= limits.callsMax else { throw .tooMany("functions that call one another", limits.callsMax) }
        states[id] = .open
        let expanded = try expanded(body, open: open, limits)
        states[id] = .done(expanded)
        return expanded
    }

    private mutating func expanded(
        _ body: Body, open: Int, _ limits: ModelFileLimits
    ) throws(ModelFileError) -> Expanded {
        var sum = Expanded()
        for (id, calls) in body.calls {
            guard bodies[id] != nil || limits.domains.contains(id.domain) else {
                throw .domain(id.domain, operator: id.name)
            }
            let callee = try expanded(id, open: open + 1, limits)
            // Neither factor is above its limit, so the product fits.
            sum.nodes += calls * callee.nodes
            sum.depth = max(sum.depth, callee.depth + 1)
            guard sum.nodes <= limits.expandedNodesMax else {
                throw .tooMany("nodes, counting each call of a function", limits.expandedNodesMax)
            }
            guard sum.depth <= limits.callsMax else {
                throw .tooMany("functions that call one another", limits.callsMax)
            }
        }
        return sum
    }
}
