// Enters: a small YAML file. Leaves: its keys and scalars, as text: whoever knows the keys checks the values.
import Foundation
import Yams

struct YAMLError: Error {
    let sentence: String
}

enum YAML {
    /// A mapping of keys to scalars, or to lists of scalars; a nested mapping's keys are joined by dots.
    static func mapping(_ bytes: [UInt8]) throws(YAMLError) -> [(key: String, values: [String])] {
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw YAMLError(sentence: "this is not YAML: \("\(error)".split(separator: "\n").joined(separator: " "))")
        }
        guard let node, node.null == nil else { return [] }
        guard case .mapping(let mapping) = node else {
            throw YAMLError(sentence: "the file holds no mapping; write lines of the form key: value")
        }
        return try pairs(mapping, prefix: "")
    }

    private static func pairs(
        _ mapping: Node.Mapping, prefix: String
    ) throws(YAMLError) -> [(key: String, values: [String])] {
        var result: [(key: String, values: [String])] = []
        for (key, value) in mapping {
            guard let name = key.string else { throw YAMLError(sentence: "a key is not text") }
            switch value {
            case .scalar(let scalar): result.append((prefix + name, [scalar.string]))
            case .sequence(let items):
                var values: [String] = []
                for item in items {
                    guard let text = item.scalar?.string else {
                        throw YAMLError(sentence: "the list of \"\(prefix + name)\" holds more than plain values")
                    }
                    values.append(text)
                }
                result.append((prefix + name, values))
            // What is written inside of another key must not get lost.
            case .mapping(let nested) where nested.isEmpty && !prefix.isEmpty: result.append((prefix + name, []))
            case .mapping(let nested): result += try pairs(nested, prefix: prefix + name + ".")
            case .alias: throw YAMLError(sentence: "\"\(prefix + name)\" is an alias; write the value itself")
            }
        }
        return result
    }
}
