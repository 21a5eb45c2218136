// Enters: what a caller says of a model's configuration for one load. Leaves: the configuration that this load is made with.

/// A configuration in Triton's words that goes before the one in the repository, field by field, and is kept nowhere.
public struct TritonOverride: Sendable, Equatable {
    /// Which versions are to be loaded; what the repository says of that stays for who watches it.
    public let versionPolicy: VersionPolicy?
    let message: TextMessage

    /// It says more than what the model is.
    public var changesRuns: Bool { message.fields.contains { !["name", "platform", "backend"].contains($0.name) } }

    /// What errors call it.
    static let name = "parameter 'config'"

    /// What could not be honoured is an error, as in a `config.pbtxt`.
    public init(_ message: TextMessage, model: String) throws(ConfigurationError) {
        for field in message.fields where field.name == "default_model_filename" {
            throw .triton(file: Self.name, line: 0, reason: "'\(field.name)' is the repository's: leave it out")
        }
        versionPolicy = try TritonReading(message, file: Self.name, of: model).policy
        self.message = TextMessage(message.fields.filter { $0.name != "version_policy" })
        _ = try ModelConfiguration([], file: Self.name, of: model, override: self)
    }
}

extension TextMessage {
    /// A list's elements come as fields of the same name.
    public init(_ fields: [Field]) {
        self.init(line: 0)
        self.fields = fields
    }

    /// Where the other says something of a field, that holds.
    func overridden(by other: TextMessage) -> TextMessage {
        let names = Set(other.fields.map(\.name))
        var result = self
        result.fields = fields.filter { !names.contains($0.name) } + other.fields
        return result
    }
}

extension ModelConfiguration {
    /// The pairs of a `model.yaml`, or none, and what goes before them.
    public init(
        _ pairs: [(key: String, value: String)], file: String, of model: String, override: TritonOverride
    ) throws(ConfigurationError) {
        let reading = try TritonReading(override.message, file: TritonOverride.name, of: model)
        let own = Set(reading.pairs.map(\.key))
        try self.init(pairs.filter { !own.contains($0.key) } + reading.pairs, file: file)
        triton = reading.model
    }
}
