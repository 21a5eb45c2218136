// Enters: what a repository holds, and what was kept. Leaves: what of it a server begins with.

/// Who changes what is loaded. The words are those of Triton's --model-control-mode; its "poll" is "watch" here.
public enum RepositoryMode: String, CaseIterable, Sendable {
    /// Nobody: at start everything is loaded, and then nothing is loaded or unloaded.
    case fixed = "none"
    /// Who gives orders.
    case explicit
    /// What is put into the repository and taken out of it; and who gives orders.
    case watch
}

extension [ModelPlan] {
    /// Those that a start loads. In the mode `explicit`: what is `named`, "*" for all, and what was `kept`.
    public func begun(_ mode: RepositoryMode, named: Set<String>, kept: Desired?) -> [ModelPlan] {
        guard mode == .explicit, !named.contains("*") else { return self }
        return filter { named.contains($0.name) || kept?.models[$0.name] != nil }
    }
}
