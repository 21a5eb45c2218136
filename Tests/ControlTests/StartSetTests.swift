// Enters: what becomes of the models that a server begins with. Leaves: from when on the server is ready.
import Models
import Tensors
import Testing

@testable import Control

private final class Nothing: Sendable {}

private enum Fate {
    case coming, failed, live, gone

    var record: ModelRecord<Nothing> {
        var record = ModelRecord<Nothing>(name: "m", labels: [:])
        switch self {
        case .gone: break
        case .coming: record.begin(1, load: 1)
        case .failed:
            record.begin(1, load: 1)
            record.failed(1, "no")
        case .live:
            record.begin(1, load: 1)
            _ = record.arrived(Version(of: "m", number: 1, Nothing(), digest: []))
        }
        return record
    }
}

struct StartRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    fileprivate let rule: ReadyRule
    fileprivate let mayBeEmpty: Bool
    fileprivate let names: Set<String>
    /// What is known of each model, commit by commit.
    fileprivate let commits: [[String: Fate]]
    /// The number of the commit that makes it ready; `nil`: none does.
    let readyAt: Int?

    fileprivate init(
        _ testDescription: String, _ names: Set<String>, _ commits: [[String: Fate]], _ readyAt: Int?,
        rule: ReadyRule = .all, mayBeEmpty: Bool = false
    ) {
        self.testDescription = testDescription
        (self.rule, self.mayBeEmpty, self.names, self.commits, self.readyAt) = (
            rule, mayBeEmpty, names, commits, readyAt
        )
    }
}

private let rows: [StartRow] = [
    StartRow(
        "all answer", ["a", "b"],
        [["a": .coming, "b": .coming], ["a": .live, "b": .coming], ["a": .live, "b": .live]], 2),
    StartRow("one failed", ["a", "b"], [["a": .live, "b": .coming], ["a": .live, "b": .failed]], nil),
    StartRow(
        "one failed, and an order mends it", ["a", "b"], [["a": .live, "b": .failed], ["a": .live, "b": .live]], 1),
    StartRow(
        "one failed, and an order takes it away", ["a", "b"], [["a": .live, "b": .failed], ["a": .live, "b": .gone]], 1),
    StartRow("all failed", ["a"], [["a": .failed], ["a": .failed]], nil),
    StartRow(
        "one is enough", ["a", "b"], [["a": .coming, "b": .failed], ["a": .live, "b": .failed]], 1, rule: .any),
    StartRow("not one", ["a", "b"], [["a": .failed, "b": .failed]], nil, rule: .any),
    StartRow("a configuration that is wrong", ["a"], [["a": .gone], [:]], nil),
    StartRow("nothing named", [], [[:]], 0, mayBeEmpty: true),
    StartRow("an empty repository", [], [[:], [:]], nil),
    StartRow("an empty repository, and then a model", [], [[:], ["a": .coming], ["a": .live]], 2),
    StartRow("one that was live and went", ["a", "b"], [["a": .live, "b": .coming], ["a": .failed, "b": .live]], 1),
]

@Test(arguments: rows) func whenAServerIsReady(row: StartRow) {
    var start = StartSet(rule: row.rule, mayBeEmpty: row.mayBeEmpty)
    #expect(!start.look([String: ModelRecord<Nothing>]()) && !start.isReady, "nothing has begun")
    start.begin(row.names)
    var readyAt: Int?
    for (number, commit) in row.commits.enumerated() where start.look(commit.mapValues(\.record)) {
        #expect(readyAt == nil, "it is said once")
        readyAt = number
    }
    #expect(readyAt == row.readyAt && start.isReady == (readyAt != nil))
    // Afterwards nothing changes it.
    guard start.isReady else { return }
    #expect(!start.look(["a": Fate.failed.record, "c": Fate.failed.record]) && start.isReady)
}
