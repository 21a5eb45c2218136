// Enters: the models that a server begins with, and what became of them. Leaves: whether the server is ready. No I/O.
import Models

/// How many of the models that a server begins with have to answer before it is ready.
public enum ReadyRule: String, CaseIterable, Sendable { case all, any }

/// Decides once when a server is ready: from then on loads, failed loads and further models change nothing, because a readiness
/// that flickers takes replicas out of service which answer all other models well. Only a drain ends it.
struct StartSet: Sendable {
    let rule: ReadyRule
    /// Nothing was named to begin with: orders will follow.
    let mayBeEmpty: Bool
    private var awaited: Set<String> = []
    /// Of those: of which something was loaded, or tried; and which had a live version.
    private var tried: Set<String> = []
    private var reached: Set<String> = []
    private(set) var isReady = false
    private var hasBegun = false

    init(rule: ReadyRule, mayBeEmpty: Bool) {
        self.rule = rule
        self.mayBeEmpty = mayBeEmpty
    }

    mutating func begin(_ models: Set<String>) {
        awaited = models
        hasBegun = true
    }

    /// - Returns: whether the server has become ready now.
    mutating func look<Model>(_ models: [String: ModelRecord<Model>]) -> Bool {
        guard hasBegun, !isReady else { return false }
        for name in awaited {
            let record = models[name]
            if record?.live != nil { reached.insert(name) }
            if record?.standings.isEmpty ?? true {
                // An order has taken it away: it is not waited for any more.
                if tried.contains(name) { awaited.remove(name) }
            } else {
                tried.insert(name)
            }
        }
        if awaited.isEmpty {
            isReady = mayBeEmpty || models.values.contains { $0.live != nil }
        } else {
            isReady = rule == .any ? !reached.isEmpty : awaited.isSubset(of: reached)
        }
        return isReady
    }
}
