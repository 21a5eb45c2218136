// Enters: the text behind --input, and what the model says of its inputs. Leaves: named, typed, shaped tensors.
import Foundation
import Memory
import Tensors

/// One `--input`: `NAME=VALUE` or `VALUE`, where a value is JSON, `@FILE.json` or `FILE.npy`.
struct InputArgument {
    private enum Value {
        case array(NumPyFile)
        case json(JSON)
    }

    private let text: String
    private let flag: String
    private let name: String?
    private let value: Value

    /// Reads the files that are named. `flag`: what it was given by.
    init(_ text: String, flag: String = "--input") throws(Failure) {
        self.text = text
        self.flag = flag
        var rest = text[...]
        var name: String?
        // JSON may hold "=", a name does not begin as JSON does.
        if let first = text.first, !"[{\"@".contains(first), let equals = text.firstIndex(of: "=") {
            name = String(text[..<equals])
            rest = text[text.index(after: equals)...]
        }
        self.name = name
        if rest.hasPrefix("@") {
            value = .json(try Self.parse(try Self.read(String(rest.dropFirst()), text, flag), text, flag))
        } else if rest.hasSuffix(".npy") {
            let file = try Self.read(String(rest), text, flag)
            do throws(NumPyError) { value = .array(try NumPyFile(file)) } catch {
                throw .usage("\(flag) \(quoted(text)): \(error.sentence)")
            }
        } else {
            value = .json(try Self.parse(Array(rest.utf8), text, flag))
        }
    }

    /// The model must be asked what it takes: a name or a type is not given.
    var needsSignature: Bool {
        if case .array = value { return name == nil }
        return true
    }

    /// `inputs`: what the model takes; none: anything (`engine: identity`).
    func tensors(for inputs: [TensorSpecification], of model: String) throws(Failure) -> [NamedTensor] {
        if name == nil, case .json(.object(let members)) = value {
            var tensors: [NamedTensor] = []
            for (key, value) in members { tensors.append(try tensor(key, value, inputs, model)) }
            return tensors
        }
        let name = if let name { name } else { try onlyName(inputs, model) }
        switch value {
        case .array(let file):
            return [NamedTensor(name: name, type: file.type, shape: file.shape, content: file.content)]
        case .json(let value):
            return [try tensor(name, value, inputs, model)]
        }
    }

    /// Values that are no model's input: of JSON the type is the likely one.
    func tensor() throws(Failure) -> NamedTensor {
        switch value {
        case .array(let file): return NamedTensor(name: "", type: file.type, shape: file.shape, content: file.content)
        case .json(let value): return try tensor(name ?? "", value, [], "")
        }
    }

    private func onlyName(_ inputs: [TensorSpecification], _ model: String) throws(Failure) -> String {
        guard inputs.count == 1 else {
            let names =
                inputs.isEmpty
                ? "model \(quoted(model)) takes inputs of any name"
                : "model \(quoted(model)) has the inputs \(listed(inputs.map(\.name)))"
            throw .usage("\(flag) \(quoted(text)) names no input, and \(names): write \(flag) NAME=…")
        }
        return inputs[0].name
    }

    private func tensor(
        _ name: String, _ value: JSON, _ inputs: [TensorSpecification], _ model: String
    ) throws(Failure) -> NamedTensor {
        do throws(JSONError) {
            var elements = JSONElements()
            let shape = try elements.flatten(value)
            let type = try elementType(of: name, inputs, model) ?? elements.likelyType
            return NamedTensor(name: name, type: type, shape: shape, content: try elements.content(of: type))
        } catch {
            throw .usage("\(flag) \(quoted(text)): input \(quoted(name)): \(error.sentence)")
        }
    }

    /// `nil`: the model takes any.
    private func elementType(
        of name: String, _ inputs: [TensorSpecification], _ model: String
    ) throws(JSONError) -> ElementType? {
        for input in inputs where input.name == name { return input.type }
        guard inputs.isEmpty else {
            let names = listed(inputs.map(\.name))
            throw JSONError(sentence: "model \(quoted(model)) has no such input; its inputs are: \(names)")
        }
        return nil
    }

    private static func read(_ path: String, _ text: String, _ flag: String) throws(Failure) -> [UInt8] {
        do throws(LimitedFile.Problem) {
            return try LimitedFile.read(path, bytesMax: LimitedFile.inputBytesMax)
        } catch {
            throw .usage(
                "\(flag) \(quoted(text)): the file \(quoted(path)) \(error.sentence): give the path of another file"
            )
        }
    }

    private static func parse(_ bytes: [UInt8], _ text: String, _ flag: String) throws(Failure) -> JSON {
        do throws(JSONError) { return try JSON(parsing: bytes) } catch {
            throw .usage(
                "\(flag) \(quoted(text)): this is not JSON: \(error.sentence); a value is JSON, @FILE.json or FILE.npy")
        }
    }
}
