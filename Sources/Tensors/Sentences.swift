// Enters: an error about a tensor or a call. Leaves: one sentence for the caller: the thing, its value, what is allowed.

/// A name that a peer chose, fit for a sentence: in quotes, clipped, control characters and quotes escaped.
public func quoted(_ text: String) -> String {
    let charactersMax = 96
    var clipped = String(text.unicodeScalars.prefix(charactersMax))
    if clipped.utf8.count < text.utf8.count { clipped += "…" }
    return clipped.debugDescription
}

/// The same without quotes of its own.
public func escaped(_ text: String) -> String { String(quoted(text).dropFirst().dropLast()) }

/// A shape, clipped: `[1, 30]`.
public func written(_ shape: [Int64]) -> String {
    let dimensionsMax = 32
    let dimensions = shape.prefix(dimensionsMax).map(String.init).joined(separator: ", ")
    return shape.count > dimensionsMax ? "[\(dimensions), …]" : "[\(dimensions)]"
}

/// Names to choose from, clipped: `"a", "b"`.
public func listed(_ names: [String]) -> String {
    let namesMax = 16
    let list = names.prefix(namesMax).map(quoted).joined(separator: ", ")
    if names.isEmpty { return "none" }
    return names.count > namesMax ? "\(list) and \(names.count - namesMax) more" : list
}

extension TensorError {
    /// For the caller.
    public var sentence: String {
        switch self {
        case .negativeDimension(let tensor, let dimension):
            "tensor \(quoted(tensor)) has dimension \(dimension); each must be zero or more"
        case .shapeOverflows(let tensor, let shape):
            "tensor \(quoted(tensor)) has shape \(written(shape)), whose size in bytes is above \(Int64.max)"
        case .rankAbove(let max, let tensor, let rank):
            "tensor \(quoted(tensor)) has \(rank) dimensions; at most \(max) are allowed"
        case .byteCount(let tensor, let bytes, let expected, let shape, let type):
            """
            tensor \(quoted(tensor)) holds \(bytes) bytes; shape \(written(shape)) of \(type.name) takes exactly \
            \(expected)
            """
        case .byteElements(let tensor, let index, let elements) where index == elements:
            "tensor \(quoted(tensor)) holds bytes behind the last of its \(elements) BYTES elements"
        case .byteElements(let tensor, let index, let elements):
            """
            tensor \(quoted(tensor)) ends within BYTES element \(index) of \(elements); each is a little-endian 32-bit \
            length and that many bytes
            """
        }
    }
}

extension SignatureError {
    /// For the caller.
    public var sentence: String {
        switch self {
        case .unknownInput(let name, let model, let expected):
            "model \(quoted(model)) has no input \(quoted(name)); its inputs are: \(listed(expected))"
        case .missingInput(let name, let model):
            "input \(quoted(name)) of model \(quoted(model)) is missing; each input must be given"
        case .duplicateInput(let name, let model):
            "input \(quoted(name)) of model \(quoted(model)) is given more than once; each must be given once"
        case .type(let input, let model, let given, let expected):
            "input \(quoted(input)) of model \(quoted(model)) has type \(given.name); the model takes \(expected.name)"
        case .dimension(let name, let model, let input, let size, let other, let otherSize):
            "dimension \(quoted(name)) of model \(quoted(model)) is \(size) in input \(quoted(input)) and \(otherSize) in input "
                + "\(quoted(other)); they must be equal"
        case .shape(let input, let model, let given, let expected):
            """
            input \(quoted(input)) of model \(quoted(model)) has shape \(written(given)); the model takes \
            \(written(expected))
            """
        case .unknownOutput(let name, let model, let expected):
            "model \(quoted(model)) has no output \(quoted(name)); its outputs are: \(listed(expected))"
        case .duplicateOutput(let name, let model):
            "output \(quoted(name)) of model \(quoted(model)) is asked for more than once; each may be named once"
        case .tensor(let error): error.sentence
        }
    }
}
