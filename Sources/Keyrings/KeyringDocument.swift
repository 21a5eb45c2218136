// Enters: the bytes of keyring.json. Leaves: what it says, and its bytes anew.
internal import JSON

/// What `keyring.json` says of a ring's keys; the keys themselves lie beside it.
///
/// `{"v":1,"purpose":P,"active":KID,"keys":[{"kid":K,"alg":A,"state":S[,"not_before":T,"not_after":T]} … ]}`, keys from
/// the oldest to the newest. Times are `YYYY-MM-DDThh:mm:ssZ`.
public struct KeyringDocument: Equatable, Sendable {
    public struct Entry: Equatable, Sendable {
        public let kid: String
        public let algorithm: KeyAlgorithm
        public internal(set) var state: KeyState
        /// Before it the key is not used.
        public let notBefore: UTCTime?
        /// From it on the key is not used.
        public let notAfter: UTCTime?

        /// The name of the key's file in the folder.
        public var fileName: String { kid + Self.fileSuffix }

        static let fileSuffix = ".key"

        /// RFC 7519, sections 4.1.4 and 4.1.5.
        public func isCurrent(at now: UTCTime) -> Bool {
            (notBefore.map { $0 <= now } ?? true) && (notAfter.map { now < $0 } ?? true)
        }
    }

    public static let fileName = "keyring.json"
    public static let bytesMax = 256 << 10
    public static let keysMax = 1024

    public let purpose: KeyPurpose
    /// The kid of the active key.
    public internal(set) var active: String
    /// Each kid once; one of them is active.
    public internal(set) var entries: [Entry]

    init(purpose: KeyPurpose, active: Entry) {
        self.purpose = purpose
        self.active = active.kid
        entries = [active]
    }

    /// `path`: what errors call the file. Errors: `form`, `kid`, `algorithm`, `active`.
    init(reading bytes: [UInt8], path: String) throws(KeyringError) {
        let form = KeyringForm(path: path)
        let object = try form.read { () throws(JSONError) in
            let object = try JSONValue(reading: bytes).object(Self.fileName)
            try object.check(required: ["v", "purpose", "active", "keys"])
            return object
        }
        let version = try form.read { () throws(JSONError) in try object.integer("v") }
        guard version == 1 else { throw .form(path, "\"v\" is \(version), and must be 1") }
        purpose = try form.word("purpose", of: object)
        active = try form.read { () throws(JSONError) in try object.string("active") }
        let values = try form.read { () throws(JSONError) in try object.array("keys") }
        guard (1...Self.keysMax).contains(values.count) else {
            throw .form(path, "\"keys\" has \(values.count) keys; their number must be between 1 and \(Self.keysMax)")
        }
        entries = []
        var kids: Set<String> = []
        for (index, value) in values.enumerated() {
            let entry = try KeyringForm(path: path, place: "keys[\(index)]: ").entry(value, of: purpose)
            guard kids.insert(entry.kid).inserted else { throw .kidTwice(path, entry.kid) }
            entries.append(entry)
        }
        try checkActive(path)
    }

    private func checkActive(_ path: String) throws(KeyringError) {
        guard KeyID.isValid(active), let named = entries.first(where: { $0.kid == active }) else {
            throw .activeNotListed(path, active)
        }
        guard named.state == .active else { throw .activeState(path, named) }
        if let other = entries.first(where: { $0.state == .active && $0.kid != active }) {
            throw .twoActive(path, active, other.kid)
        }
    }

    /// Without spaces, names in the order in which the format lists them.
    var encoded: [UInt8] {
        let keys = entries.map { entry in
            var members: [(name: String, value: JSONValue)] = [
                ("kid", .string(entry.kid)), ("alg", .string(entry.algorithm.rawValue)),
                ("state", .string(entry.state.rawValue)),
            ]
            if let time = entry.notBefore { members.append(("not_before", .string(time.description))) }
            if let time = entry.notAfter { members.append(("not_after", .string(time.description))) }
            return JSONValue.object(JSONObject(members))
        }
        return JSONValue.object(
            JSONObject([
                ("v", .integer(1)), ("purpose", .string(purpose.rawValue)), ("active", .string(active)),
                ("keys", .array(keys)),
            ])
        ).encoded
    }

    public subscript(kid: String) -> Entry? { entries.first { $0.kid == kid } }
}

/// Reads parts of the document, and says in errors where they stand.
private struct KeyringForm {
    let path: String
    var place = ""

    func read<Result>(_ body: () throws(JSONError) -> Result) throws(KeyringError) -> Result {
        do throws(JSONError) { return try body() } catch { throw .form(path, place + error.sentence) }
    }

    /// Compared by bytes: Swift's == takes some other texts for the same word.
    func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, of object: JSONObject
    ) throws(KeyringError) -> Word where Word.RawValue == String {
        let text = try read { () throws(JSONError) in try object.string(name) }
        guard let word = Word.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) else {
            let allowed = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw .form(path, "\(place)\"\(name)\" is \(quoted(text)); allowed are \(allowed)")
        }
        return word
    }

    func entry(_ value: JSONValue, of purpose: KeyPurpose) throws(KeyringError) -> KeyringDocument.Entry {
        let object = try read { () throws(JSONError) in
            let object = try value.object("key")
            try object.check(required: ["kid", "alg", "state"], optional: ["not_before", "not_after"])
            return object
        }
        let kid = try read { () throws(JSONError) in try object.string("kid") }
        guard KeyID.isValid(kid) else { throw .kidForm(path, place, kid) }
        let algorithm: KeyAlgorithm = try word("alg", of: object)
        guard purpose.algorithms.contains(algorithm) else { throw .algorithm(path, kid, algorithm, purpose) }
        let entry = KeyringDocument.Entry(
            kid: kid, algorithm: algorithm, state: try word("state", of: object),
            notBefore: try time("not_before", of: object), notAfter: try time("not_after", of: object))
        if let begin = entry.notBefore, let end = entry.notAfter, begin >= end {
            throw .form(path, "\(place)\"not_before\" is \(begin), and must be before \"not_after\", which is \(end)")
        }
        return entry
    }

    private func time(_ name: String, of object: JSONObject) throws(KeyringError) -> UTCTime? {
        guard object[name] != nil else { return nil }
        let text = try read { () throws(JSONError) in try object.string(name) }
        guard let time = UTCTime(text) else {
            throw .form(
                path, "\(place)\"\(name)\" is \(quoted(text)), and must be a time of the form 2026-01-31T00:00:00Z")
        }
        return time
    }
}
