// Enters: any call. Leaves: its inputs as outputs of the same name, type and shape, where they lie.
public import Memory
public import Tensors

/// `engine: identity`: answers each input as it came. For tests, and for measuring everything but a model.
///
/// Takes any names, types and shapes, so its signature is empty; what it checks is what every tensor must be.
public final class IdentityModel: Model {
    public let signature = Signature(inputs: [], outputs: [])
    public let batchProof = BatchProof.unproven("it answers with its inputs: there is nothing to run together")

    public init() {}

    /// The outputs wanted must be names of inputs; none named: all, in the call's order.
    public func check(_ call: Call, in arena: inout Arena) throws(SignatureRefusal) -> Work {
        do throws(SignatureError) { try checkInputs(call) } catch { throw .signature(error) }
        var positions = List<Int>()
        do throws(ArenaFull) {
            try positions.reserve(call.outputs.isEmpty ? call.inputs.count : call.outputs.count, in: &arena)
            if call.outputs.isEmpty {
                for position in call.inputs.indices { try positions.append(position, in: &arena) }
            }
        } catch {
            throw .arena(error)
        }
        for index in call.outputs.indices {
            let position: Int
            do throws(SignatureError) {
                position = try find(call.outputs[index], in: call, notIn: positions)
            } catch {
                throw .signature(error)
            }
            do throws(ArenaFull) { try positions.append(position, in: &arena) } catch { throw .arena(error) }
        }
        return Work(inputs: call.inputs, outputs: positions)
    }

    private func checkInputs(_ call: Call) throws(SignatureError) {
        for index in call.inputs.indices {
            let tensor = call.inputs[index]
            do throws(TensorError) { try tensor.check() } catch { throw .tensor(error) }
            for earlier in 0..<index where call.inputs[earlier].name == tensor.name {
                throw .duplicateInput(tensor.name.clippedText, model: call.model.clippedText)
            }
        }
    }

    private func find(_ name: ByteView, in call: Call, notIn positions: List<Int>) throws(SignatureError) -> Int {
        for position in call.inputs.indices where call.inputs[position].name == name {
            for index in positions.indices where positions[index] == position {
                throw .duplicateOutput(name.clippedText, model: call.model.clippedText)
            }
            return position
        }
        throw .unknownOutput(
            name.clippedText, model: call.model.clippedText, expected: call.inputs.array.map(\.name.clippedText))
    }

    /// Views of the inputs' own bytes: nothing is copied but the tensors' heads.
    public func run(_ work: Work, in arena: inout Arena) throws(RunError) -> List<Tensor> {
        var outputs = List<Tensor>()
        do throws(ArenaFull) {
            try outputs.reserve(work.outputs.count, in: &arena)
            for index in work.outputs.indices { try outputs.append(work.inputs[work.outputs[index]], in: &arena) }
        } catch {
            throw .arena(error)
        }
        return outputs
    }
}
