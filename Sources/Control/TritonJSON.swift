// Enters: a model configuration as JSON, as protobuf writes it. Leaves: the same fields as in a config.pbtxt.
import Foundation
import Repository

extension TextMessage {
    /// `nil`: it is no JSON object. Names may be in snake_case or camelCase; a map becomes entries with key and value.
    init?(json text: String) {
        guard let tree = try? JSONDecoder().decode(JSONTree.self, from: Data(text.utf8)),
            case .object(let members) = tree
        else { return nil }
        self.init(members: members)
    }

    private static let maps: Set<String> = ["parameters", "inputs", "metric_tags", "cc_model_filenames"]

    private init(members: [(key: String, value: JSONTree)]) {
        var fields: [Field] = []
        for (key, tree) in members {
            let name = key.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
            if case .object(let entries) = tree, Self.maps.contains(name) {
                for (key, tree) in entries {
                    guard let value = TextValue(tree) else { continue }
                    let entry = TextMessage([Field("key", .string(key)), Field("value", value)])
                    fields.append(Field(name, .message(entry)))
                }
            } else if case .list(let elements) = tree {
                fields += elements.compactMap { element in TextValue(element).map { Field(name, $0) } }
            } else if let value = TextValue(tree) {
                fields.append(Field(name, value))
            }
        }
        self.init(fields)
    }

    fileprivate static func value(_ members: [(key: String, value: JSONTree)]) -> TextValue {
        .message(TextMessage(members: members))
    }
}

extension TextValue {
    /// `nil`: null, or a list within a list, which protobuf has none of.
    fileprivate init?(_ tree: JSONTree) {
        switch tree {
        case .null, .list: return nil
        case .word(let text): self = .word(text)
        case .text(let text): self = .either(text)
        case .object(let members): self = TextMessage.value(members)
        }
    }
}

private indirect enum JSONTree: Decodable {
    case null
    case word(String)
    case text(String)
    case list([JSONTree])
    case object([(key: String, value: JSONTree)])

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { return nil }
    }

    init(from decoder: any Decoder) throws {
        if let members = try? decoder.container(keyedBy: Key.self) {
            let keys = members.allKeys.sorted { $0.stringValue < $1.stringValue }
            self = .object(try keys.map { ($0.stringValue, try members.decode(JSONTree.self, forKey: $0)) })
        } else if var elements = try? decoder.unkeyedContainer() {
            var list: [JSONTree] = []
            while !elements.isAtEnd { list.append(try elements.decode(JSONTree.self)) }
            self = .list(list)
        } else {
            let value = try decoder.singleValueContainer()
            if value.decodeNil() {
                self = .null
            } else if let truth = try? value.decode(Bool.self) {
                self = .word("\(truth)")
            } else if let number = try? value.decode(Int64.self) {
                self = .word("\(number)")
            } else if let number = try? value.decode(Double.self) {
                self = .word("\(number)")
            } else {
                self = .text(try value.decode(String.self))
            }
        }
    }
}
