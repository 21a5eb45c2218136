// Enters: an object that was read. Leaves: the fields that its format lists, each of its kind; or why it is none.

extension JSONValue {
    /// Errors: `kind`. `name`: what the error calls the value.
    public func object(_ name: String) throws(JSONError) -> JSONObject {
        guard case .object(let object) = self else { throw .kind(name: name, wanted: "an object", found: kind) }
        return object
    }
}

extension JSONObject {
    /// All of `required` must be there, any of `optional` may be, nothing else. Errors: `missing`, `unknown`.
    public func check(required: [String], optional: [String] = []) throws(JSONError) {
        for name in required where self[name] == nil { throw .missing(name: name) }
        let known = required + optional
        for member in members where !known.contains(where: { $0.utf8.elementsEqual(member.name.utf8) }) {
            throw .unknown(name: member.name, known: known)
        }
    }

    /// Errors: `missing`, `kind`.
    public func integer(_ name: String) throws(JSONError) -> Int64 {
        let value = try value(name)
        guard case .integer(let integer) = value else {
            throw .kind(name: name, wanted: "an integer", found: value.kind)
        }
        return integer
    }

    /// Errors: `missing`, `kind`.
    public func string(_ name: String) throws(JSONError) -> String {
        let value = try value(name)
        guard case .string(let text) = value else { throw .kind(name: name, wanted: "a string", found: value.kind) }
        return text
    }

    /// Errors: `missing`, `kind`.
    public func array(_ name: String) throws(JSONError) -> [JSONValue] {
        let value = try value(name)
        guard case .array(let values) = value else { throw .kind(name: name, wanted: "a list", found: value.kind) }
        return values
    }

    private func value(_ name: String) throws(JSONError) -> JSONValue {
        guard let value = self[name] else { throw .missing(name: name) }
        return value
    }
}
