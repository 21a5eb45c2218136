// Enters: an entry of `model_warmup`. Leaves: the call that it stands for.
import Tensors

extension TritonModel.WarmUp {
    /// Rows and runs that a start may be made to take.
    private static let rowsMax: Int64 = 1 << 20
    private static let runsMax: Int64 = 1000

    init(_ message: TextMessage, _ reader: TritonReader) throws(ConfigurationError) {
        self.init()
        for field in message.fields {
            switch field.name {
            case "name": name = try reader.string(field)
            case "batch_size": rows = Int(try reader.integer(field, in: 0...Self.rowsMax))
            case "count": runs = Int(max(1, try reader.integer(field, in: 0...Self.runsMax)))
            case "inputs": inputs.append(try Input(try reader.message(field), reader))
            default: throw reader.unknown(field, in: "'model_warmup'")
            }
        }
        if inputs.isEmpty {
            throw reader.failure(message.line, "the warm-up '\(Layout.printable(name))' has no inputs: add them")
        }
    }
}

extension TritonModel.WarmUp.Input {
    /// An entry of the map: the input's name, and what it is to be.
    fileprivate init(_ entry: TextMessage, _ reader: TritonReader) throws(ConfigurationError) {
        self.init()
        var hasType = false
        for field in entry.fields {
            switch field.name {
            case "key": name = try reader.string(field)
            case "value":
                for part in try reader.message(field).fields {
                    if part.name == "data_type" { hasType = true }
                    try take(part, reader)
                }
            default: throw reader.unknown(field, in: "'inputs'")
            }
        }
        guard !name.isEmpty, hasType else {
            throw reader.failure(entry.line, "an input of a warm-up needs a key and a data_type: add them")
        }
    }

    private mutating func take(_ field: TextMessage.Field, _ reader: TritonReader) throws(ConfigurationError) {
        switch field.name {
        case "data_type": type = try reader.type(field)
        case "dims":
            let size = try reader.dimension(field)
            guard size > 0 else {
                throw reader.failure(field.line, "dims of a warm-up is -1; give the size to be sent")
            }
            dimensions.append(size)
        case "zero_data": if try reader.bool(field) { source = .zeros }
        case "random_data": if try reader.bool(field) { source = .random }
        case "input_data_file":
            let file = try reader.string(field)
            guard Layout.isModelName(file) else {
                throw reader.failure(
                    field.line,
                    "input_data_file is '\(Layout.printable(file))'; allowed is the plain name of a file in 'warmup'")
            }
            source = .file(file)
        default: throw reader.unknown(field, in: "a warm-up's input")
        }
    }
}
