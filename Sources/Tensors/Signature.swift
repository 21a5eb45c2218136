// Enters: what a model says of itself, and a call. Leaves: the call's inputs in the model's order, or what is wrong.
public import Memory

/// A call that does not fit the model.
public enum SignatureError: Error, Equatable {
    case unknownInput(String, model: String, expected: [String])
    case missingInput(String, model: String)
    case duplicateInput(String, model: String)
    case type(input: String, model: String, given: ElementType, expected: ElementType)
    case shape(input: String, model: String, given: [Int64], expected: [Int64])
    /// Two dimensions to which the model gives one name have two sizes.
    case dimension(String, model: String, input: String, size: Int64, other: String, otherSize: Int64)
    case unknownOutput(String, model: String, expected: [String])
    case duplicateOutput(String, model: String)
    case tensor(TensorError)
}

/// What a model says of one of its inputs or outputs.
public struct TensorSpecification: Equatable, Sendable {
    public let name: String
    public let type: ElementType
    /// -1 where any size is right. `nil`: any shape, of any rank.
    public let shape: [Int64]?

    public init(name: String, type: ElementType, shape: [Int64]?) {
        self.name = name
        self.type = type
        self.shape = shape
    }
}

/// A name that the model gives to several dimensions of its inputs: they have one size.
public struct SharedDimension: Equatable, Sendable {
    /// A dimension of an input, both by number.
    public struct Place: Equatable, Sendable {
        public let input: Int
        public let dimension: Int

        public init(input: Int, dimension: Int) {
            self.input = input
            self.dimension = dimension
        }
    }

    public let name: String
    /// Two or more, each of an input whose rank is known.
    public let places: [Place]

    public init(name: String, places: [Place]) {
        self.name = name
        self.places = places
    }
}

/// The inputs and outputs of a model, laid out for a check that allocates nothing.
///
/// A class, because the views in it point into an arena that it owns; it lives as long as its model.
public final class Signature: Sendable {
    public let inputs: [TensorSpecification]
    public let outputs: [TensorSpecification]
    private let table: Table

    public init(
        inputs: [TensorSpecification], outputs: [TensorSpecification], shared: [SharedDimension] = []
    ) {
        self.inputs = inputs
        self.outputs = outputs
        self.table = Table(inputs: inputs, outputs: outputs, shared: shared)
    }

    /// Whether calls may be rows of one batch, as far as a signature can tell: the first dimension of every input is free,
    /// and no output's is fixed.
    public var canBatch: Bool {
        !inputs.isEmpty && inputs.allSatisfy { $0.shape?.first == -1 }
            && outputs.allSatisfy { $0.shape == nil || $0.shape?.first == -1 }
    }

    /// Whether rows may differ in size: a dimension other than the first is free, or elements are texts.
    public var hasRowsOfAnySize: Bool {
        inputs.contains { $0.type == .bytes || ($0.shape.map { $0.dropFirst().contains(-1) } ?? true) }
    }

    /// The call's inputs in the model's order, checked against name, type, shape and length.
    public func arrange(_ call: Call, in arena: inout Arena) throws(SignatureRefusal) -> List<Tensor> {
        let specifications = table.inputs
        var arranged = List<Tensor>()
        do throws(ArenaFull) {
            try arranged.reserve(specifications.count, in: &arena)
        } catch {
            throw .arena(error)
        }
        do throws(SignatureError) {
            for position in specifications.indices {
                try arranged.append(find(position, in: call), unlessFull: &arena)
            }
            if call.inputs.count != specifications.count { throw surplus(in: call) }
            for index in table.shared.indices { try check(table.shared[index], arranged, call) }
        } catch {
            throw .signature(error)
        }
        return arranged
    }

    private func check(_ shared: SharedRow, _ inputs: List<Tensor>, _ call: Call) throws(SignatureError) {
        let (one, other) = (inputs[shared.input], inputs[shared.otherInput])
        let (size, otherSize) = (one.shape[shared.dimension], other.shape[shared.otherDimension])
        guard size == otherSize else {
            throw .dimension(
                shared.name.text, model: call.model.clippedText, input: one.name.clippedText, size: size,
                other: other.name.clippedText, otherSize: otherSize)
        }
    }

    private func find(_ position: Int, in call: Call) throws(SignatureError) -> Tensor {
        let specification = table.inputs[position]
        // Callers mostly send the model's order: look there first.
        var found: Int?
        if position < call.inputs.count, call.inputs[position].name == specification.name {
            found = position
        } else {
            for index in call.inputs.indices where call.inputs[index].name == specification.name {
                found = index
                break
            }
        }
        guard let found else {
            for index in call.inputs.indices where !names(table.inputs, contain: call.inputs[index].name) {
                throw .unknownInput(
                    call.inputs[index].name.clippedText, model: call.model.clippedText, expected: inputs.map(\.name))
            }
            throw .missingInput(specification.name.clippedText, model: call.model.clippedText)
        }
        let tensor = call.inputs[found]
        guard tensor.type == specification.type else {
            throw .type(
                input: tensor.name.clippedText, model: call.model.clippedText, given: tensor.type,
                expected: specification.type)
        }
        guard specification.allows(tensor.shape) else {
            throw .shape(
                input: tensor.name.clippedText, model: call.model.clippedText, given: tensor.shape.array,
                expected: specification.shape.array)
        }
        do throws(TensorError) {
            try tensor.check()
        } catch {
            throw .tensor(error)
        }
        return tensor
    }

    /// Why a call has more inputs than the model, all of the model's being there.
    private func surplus(in call: Call) -> SignatureError {
        for index in call.inputs.indices {
            let name = call.inputs[index].name
            guard names(table.inputs, contain: name) else {
                return .unknownInput(name.clippedText, model: call.model.clippedText, expected: inputs.map(\.name))
            }
            for earlier in 0..<index where call.inputs[earlier].name == name {
                return .duplicateInput(name.clippedText, model: call.model.clippedText)
            }
        }
        preconditionFailure("a call with surplus inputs has an unknown or a duplicate one")
    }

    private func names(_ list: List<TableRow>, contain name: ByteView) -> Bool {
        for index in list.indices where list[index].name == name { return true }
        return false
    }

    /// Positions of the outputs wanted, in the order asked for; all when none are named.
    public func outputPositions(_ call: Call, in arena: inout Arena) throws(SignatureRefusal) -> List<Int> {
        var positions = List<Int>()
        do throws(ArenaFull) {
            try positions.reserve(max(call.outputs.count, table.outputs.count), in: &arena)
        } catch {
            throw .arena(error)
        }
        guard !call.outputs.isEmpty else {
            for position in table.outputs.indices { positions.append(position, unlessFull: &arena) }
            return positions
        }
        for index in call.outputs.indices {
            let name = call.outputs[index]
            var found: Int?
            for position in table.outputs.indices where table.outputs[position].name == name { found = position }
            guard let found else {
                throw .signature(
                    .unknownOutput(name.clippedText, model: call.model.clippedText, expected: outputs.map(\.name)))
            }
            for earlier in positions.indices where positions[earlier] == found {
                throw .signature(.duplicateOutput(name.clippedText, model: call.model.clippedText))
            }
            guard positions.count < table.outputs.count else { break }
            positions.append(found, unlessFull: &arena)
        }
        return positions
    }

    /// The output's name as bytes that live as long as the model.
    public func outputName(_ position: Int) -> ByteView { table.outputs[position].name }
}

public enum SignatureRefusal: Error, Equatable {
    case signature(SignatureError)
    case arena(ArenaFull)
}

/// A row of a signature's table.
private struct TableRow: BitwiseCopyable, Sendable {
    var name: ByteView
    var type: ElementType
    var shape: List<Int64>
    var anyShape: Bool

    func allows(_ given: List<Int64>) -> Bool {
        if anyShape { return true }
        guard given.count == shape.count else { return false }
        for index in given.indices where shape[index] >= 0 && shape[index] != given[index] { return false }
        return true
    }
}

/// Two dimensions of one name.
private struct SharedRow: BitwiseCopyable, Sendable {
    var name: ByteView
    var input: Int
    var dimension: Int
    var otherInput: Int
    var otherDimension: Int
}

/// Owns the arena that a signature's views point into; immutable once made, hence sendable.
private final class Table: @unchecked Sendable {
    private var arena = Arena(firstChunkBytes: 1024, bytesMax: 64 << 20)
    let inputs: List<TableRow>
    let outputs: List<TableRow>
    let shared: List<SharedRow>

    init(inputs: [TensorSpecification], outputs: [TensorSpecification], shared: [SharedDimension]) {
        do throws(ArenaFull) {
            var rows = List<SharedRow>()
            for dimension in shared {
                guard let first = dimension.places.first else { continue }
                let name = try arena.copy(dimension.name)
                for place in dimension.places.dropFirst() {
                    let row = SharedRow(
                        name: name, input: first.input, dimension: first.dimension, otherInput: place.input,
                        otherDimension: place.dimension)
                    try rows.append(row, in: &arena)
                }
            }
            self.shared = rows
            self.inputs = try Self.lay(inputs, in: &arena)
            self.outputs = try Self.lay(outputs, in: &arena)
        } catch {
            preconditionFailure("a model with names and shapes of over \(error.bytesMax) bytes")
        }
    }

    private static func lay(
        _ specifications: [TensorSpecification], in arena: inout Arena
    ) throws(ArenaFull) -> List<TableRow> {
        var rows = List<TableRow>()
        for specification in specifications {
            var shape = List<Int64>()
            for dimension in specification.shape ?? [] { try shape.append(dimension, in: &arena) }
            try rows.append(
                TableRow(
                    name: arena.copy(specification.name), type: specification.type, shape: shape,
                    anyShape: specification.shape == nil), in: &arena)
        }
        return rows
    }
}

extension List {
    /// For a list whose room was reserved.
    fileprivate mutating func append(_ element: Element, unlessFull arena: inout Arena) {
        do throws(ArenaFull) {
            try append(element, in: &arena)
        } catch {
            preconditionFailure("room was reserved")
        }
    }
}
