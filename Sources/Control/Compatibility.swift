// Enters: what the live version takes and gives, and what another would. Leaves: how callers would notice.
import Tensors

/// How `next` fails those who call `live` today; empty: they would not notice.
///
/// Every input that was optional to nobody must be the same, every output that somebody may read must still be there. A free
/// dimension may take the place of a fixed one in an input, and of nothing in an output.
func differences(from live: Signature, to next: Signature) -> [String] {
    var differences: [String] = []
    for input in live.inputs {
        guard let other = next.inputs.first(where: { $0.name == input.name }) else {
            differences.append("input '\(input.name)' is gone")
            continue
        }
        if other.type != input.type {
            differences.append("input '\(input.name)' is \(other.type.name), not \(input.type.name)")
        }
        if !takes(other.shape, input.shape) {
            differences.append("input '\(input.name)' is \(text(other.shape)), not \(text(input.shape))")
        }
    }
    for input in next.inputs where !live.inputs.contains(where: { $0.name == input.name }) {
        differences.append("input '\(input.name)' is new")
    }
    for output in live.outputs {
        guard let other = next.outputs.first(where: { $0.name == output.name }) else {
            differences.append("output '\(output.name)' is gone")
            continue
        }
        if other.type != output.type {
            differences.append("output '\(output.name)' is \(other.type.name), not \(output.type.name)")
        }
        // What was promised may be kept more narrowly, not more widely.
        if !takes(output.shape, other.shape) {
            differences.append("output '\(output.name)' is \(text(other.shape)), not \(text(output.shape))")
        }
    }
    return differences
}

/// Everything of the shape `given` has the shape `wide` as well. `nil`: any shape; -1: any size.
private func takes(_ wide: [Int64]?, _ given: [Int64]?) -> Bool {
    guard let wide else { return true }
    guard let given, wide.count == given.count else { return false }
    return zip(wide, given).allSatisfy { $0 == -1 || $0 == $1 }
}

private func text(_ shape: [Int64]?) -> String { shape.map { "\($0)" } ?? "of any shape" }
