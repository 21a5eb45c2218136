// Enters: a node, and what is known of the values before it. Leaves: what is known of its outputs, by the table's rule.

extension BatchAnalysis {
    /// What the table's rule says of a node; of what depends on no row also without one.
    mutating func apply(_ node: ModelGraph.Node, _ scope: Scope) throws(BatchEnd) -> [BatchValue] {
        var inputs: [BatchValue?] = []
        for name in node.inputs {
            guard !name.isEmpty else {
                inputs.append(nil)
                continue
            }
            guard let value = scope[name] else { throw BatchEnd("nothing is known of its input '\(name)'") }
            inputs.append(value)
        }
        let given = inputs.compactMap { $0 }
        // What depends on no row cannot mix rows, whatever it does.
        let isConstant = node.graphs.isEmpty && given.allSatisfy(\.isConstant) && !BatchTable.isByChance(node.id)
        guard let operation = BatchTable.operation(node.id) else {
            guard isConstant else { throw BatchEnd(BatchTable.reason(node.id)) }
            return node.outputs.map { _ in .unknown }
        }
        var outputs: [BatchValue]
        do throws(BatchEnd) {
            if !operation.takesSizes, given.contains(where: \.dependsOnSize) {
                throw BatchEnd("it computes with the number of rows")
            }
            if !operation.takesFiller, given.contains(where: { $0.filler != nil }) {
                throw BatchEnd("the last dimension of its input depends on all rows")
            }
            outputs = try operation.rule(&self, Operands(node: node, inputs: inputs, scope: scope))
            if given.contains(where: \.dependsOnSize), outputs.contains(where: { $0.rows == nil && $0.elements == nil })
            {
                throw BatchEnd("it computes with the number of rows")
            }
        } catch {
            guard isConstant else { throw error }
            outputs = node.outputs.map { _ in .unknown }
        }
        round(&outputs, operation, given, node)
        return outputs
    }

    /// How far the outputs of a node may be off, by what its inputs may be off and what it does itself.
    private mutating func round(
        _ outputs: inout [BatchValue], _ operation: BatchOperation, _ inputs: [BatchValue], _ node: ModelGraph.Node
    ) {
        let bound = inputs.map(\.bound).max() ?? 0
        let unit = inputs.map(\.unit).max() ?? 1
        let own = operation.bound * unit
        for index in outputs.indices where outputs[index].rows != nil {
            // Some jump at what they have added up themselves, others only where what they are given may differ.
            let jumpsAtSums = operation.jumps.contains(index)
            let isJump = operation.isJump || jumpsAtSums
            let before = jumpsAtSums ? max(bound, own) : bound
            outputs[index].bound = max(outputs[index].bound, isJump && before > 0 ? .infinity : max(bound, own))
            if operation.keepsUnit { outputs[index].unit = max(outputs[index].unit, unit) }
            if isJump, before > 0 { note(node) }
        }
    }

    private mutating func note(_ node: ModelGraph.Node) {
        let name = node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? "" : node.name
        let sentence = "'\(name)' (\(node.id.name))"
        if !bitDependent.contains(sentence), bitDependent.count < 32 { bitDependent.append(sentence) }
    }
}
