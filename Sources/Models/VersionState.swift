// Enters: what happens to a version. Leaves: the state it is in then, or that it cannot happen there.

/// Where a version stands on its way from a file to callers and back.
///
///     absent ─load─▶ loading ─loaded─▶ warming ─warmed─▶ ready ─promoted─▶ live
///        ▲              │fail              │fail           │ ▲──demoted──────┤
///        │              ▼                  ▼               │unload          │unload
///        ├──forgotten─ failed ──gaveUp──▶ quarantined      ▼                ▼
///        └──────────────freed───────────────────────── draining ◀───────────┘
public enum VersionState: Sendable, Equatable {
    /// Known, perhaps, but nothing of it is in memory.
    case absent
    case loading
    /// Its runs of our own go on: what is done only once is done before a caller waits for it.
    case warming
    /// Answers who asks for it by number, label or slot.
    case ready
    /// Answers who asks for nothing in particular.
    case live
    /// No call gets it any more; those that have it may end.
    case draining
    /// Our own sentence, fit for callers.
    case failed(String)
    /// It failed so often that it is left alone until somebody asks for it.
    case quarantined(String)

    /// Its model is in memory and takes calls.
    public var isServing: Bool { self == .ready || self == .live }

    /// It is on its way to take calls.
    public var isComing: Bool { self == .loading || self == .warming }
}

/// What can happen to a version.
public enum VersionEvent: Sendable, Equatable {
    case load, loaded, warmed
    case promoted, demoted
    case unload, freed
    case fail(String)
    /// It failed once more than is tried again.
    case gaveUp
    /// Nobody asks for what failed any more.
    case forgotten
}

extension VersionState {
    /// - Returns: the next state; `nil`: that does not happen to a version in this state.
    public func after(_ event: VersionEvent) -> VersionState? {
        switch (self, event) {
        case (.absent, .load), (.failed, .load), (.quarantined, .load): .loading
        case (.loading, .loaded): .warming
        case (.warming, .warmed): .ready
        case (.loading, .fail(let reason)), (.warming, .fail(let reason)): .failed(reason)
        case (.failed(let reason), .gaveUp): .quarantined(reason)
        case (.failed, .forgotten), (.quarantined, .forgotten): .absent
        case (.ready, .promoted): .live
        case (.live, .demoted): .ready
        case (.ready, .unload), (.live, .unload): .draining
        case (.draining, .freed): .absent
        default: nil
        }
    }
}
