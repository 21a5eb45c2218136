// Enters: Tests/Fixtures/messages.json. Leaves: messages as google.protobuf wrote them.
public import Foundation

/// The output of make_messages.py.
public struct Golden: Decodable, Sendable {
    /// The protocol of a call: `inference.GRPCInferenceService` or `vencejo.v1.PredictionService`.
    public enum Dialect: String, Decodable, Sendable { case inference, prediction }

    public struct Row: Decodable, Sendable, CustomStringConvertible {
        let dialect: Dialect
        public let name: String
        public let request: Data
        public let response: Data
        public let canonical: Data?

        public var description: String { name }
    }

    private let calls: [Row]
    private let others: [String: Data]

    private static let all: Golden = {
        do { return try JSONDecoder().decode(Golden.self, from: Fixtures.data("messages.json")) } catch {
            fatalError("Fixtures/messages.json: \(error)")
        }
    }()

    public static func calls(of dialect: Dialect) -> [Row] { all.calls.filter { $0.dialect == dialect } }

    /// Empty where the file has no message of this name.
    public static func other(_ name: String) -> [UInt8] { all.others[name].map(Array.init) ?? [] }
}
