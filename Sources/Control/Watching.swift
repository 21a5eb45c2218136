// Enters: steps that watching decided on. Leaves: commits, and what watching must know of them. The orders of nobody.
import Memory
import Models
import Reactor
import Serving
import Tensors

extension ModelControl {
    private func signed() -> Signed {
        var signed = Signed(author: "repository watch", reason: "", timeMilliseconds: Clock.wallMilliseconds())
        signed.isUrgent = true
        signed.trigger = .watch
        return signed
    }

    func take(_ step: WatchStep, of model: String) throws(OrderError) -> Outcome {
        switch step {
        case .load(let number): try load(model, number, signed(), isByItself: true)
        case .makeLive(let number):
            try change(signed(), .swap) { (state) throws(OrderError) in
                try state.roster.swap([Order.Change(model: model, version: number)], isForced: false)
            }
        case .unload(let number):
            try change(signed(), .unload) { (state) throws(OrderError) in
                try state.roster.unload(model, number, isForced: false)
            }
        }
    }

    /// Of a model whose folder is gone.
    func unloadAll(_ model: String) throws(OrderError) -> Outcome {
        try change(signed(), .unload) { (state) throws(OrderError) in
            try state.roster.unload(model, nil, isForced: true)
        }
    }

    /// What lies in the repository now: what an order pins depends on it.
    func know(_ plans: [ModelPlan]) {
        state.withLock { state in
            for plan in plans { state.plans[plan.name] = plan }
        }
    }

    /// What orders unloaded and nothing loaded since, by model.
    var unloaded: [String: [Int64]] { state.withLock { $0.desired.models.compactMapValues(\.aside) } }

    /// By name; those of which nothing is loaded as well, if anything is kept of them.
    func watched() -> [String: WatchedModel] {
        state.withLock { state in
            var models: [String: WatchedModel] = [:]
            for record in state.roster.models.values {
                var model = WatchedModel()
                for standing in record.standings { model.standings[standing.number] = standing.state }
                model.live = record.live
                model.previous = record.previous
                model.labelled = Set(record.labels.values)
                model.isDivided = record.split != nil
                model.shared = Set(record.split?.shares.keys.map { $0 } ?? [])
                if record.mirrorPercent > 0 {
                    model.shared.formUnion(record.standings.filter { $0.slot == .shadow }.map(\.number))
                }
                models[record.name] = model
            }
            for (name, kept) in state.desired.models {
                var model = models[name] ?? WatchedModel()
                model.isPinned = kept.isPinned ?? false
                model.aside = Set(kept.aside ?? [])
                model.isLeftAlone =
                    model.standings.isEmpty
                    && kept.history.last.map { $0.action == .unload && $0.trigger != .watch } ?? false
                models[name] = model
            }
            return models
        }
    }
}

extension Desired {
    /// What watching must know of what was done. `top`: the version that it would have made live.
    mutating func heed<Loaded>(
        _ change: Decision.Change, by signed: Signed, before: ModelRecord<Loaded>?, after: ModelRecord<Loaded>,
        top: Int64?
    ) {
        guard var model = models[change.model] else { return }
        let isOrder = signed.trigger.isOrder
        let isOther = before?.standing(change.to ?? 0)?.version !== after.standing(change.to ?? 0)?.version
        // Shares, too, say which version is to be live; and a rollout that the server ends was ordered.
        let isDivided = isOrder && after.split != nil && after.rollout == nil
        if change.from != change.to || isOther || isDivided {
            model.isByOrder = signed.trigger != .watch
            let faults = after.standing(change.to ?? 0)?.version?.faults ?? []
            // What a forced rollout made live failed a gate, too.
            model.isForced =
                change.to != nil && model.isByOrder == true && (signed.isForced || !faults.isEmpty) ? true : nil
        }
        if change.from != change.to { model.isPinned = isOrder && change.to != nil && change.to != top ? true : nil }
        let now = Set(after.standings.map(\.number))
        var aside = Set(model.aside ?? []).subtracting(now)
        if isOrder { aside.formUnion(Set(before?.standings.map(\.number) ?? []).subtracting(now)) }
        model.aside = aside.isEmpty ? nil : aside.sorted()
        models[change.model] = model
    }
}
