// Enters: orders to roll out, and what is counted of versions that share the traffic. Leaves: steps onward, and back.
import Experiments
import Memory
public import Models
import Reactor
public import Rollout
import Serving
import Tensors

/// A version that gets more and more of a model's calls.
struct RunningRollout: Sendable {
    let version: Int64
    var judge: Judge
    /// What the process held when it began, or when a version came last.
    var memoryBytes: Int
    /// What callers tell of its answers; `nil`: as many rollouts and experiments go on as can be joined with rewards.
    var labels: RolloutLabels?
    /// What the history was told of waiting: once for each step, however often labels are fine for a moment in between.
    var waited: Waited?
    /// What the live version was at the last look (`Servable.serial`): loaded anew, it is another, and its counts begin at 0.
    var live: UInt64?
    /// No two begin at the same time.
    let began = Clock.now()

    struct Waited: Sendable {
        let step: Int
        /// Since when; since 1970, UTC.
        let milliseconds: Int64
        /// Why it waits no longer was told.
        var isEndTold = false
    }

    /// The history has it that it waits in this step, or has waited.
    var isWaitTold: Bool { waited?.step == judge.step }

    /// Since when it waits for a decision, as the history has it; milliseconds since 1970, UTC. `nil`: it does not.
    var waitingMilliseconds: Int64? { judge.isWaiting && isWaitTold ? waited?.milliseconds : nil }

    /// When it is taken back without a decision.
    var decideUntilMilliseconds: Int64? {
        waitingMilliseconds.map { $0 + Int64(judge.policy.decideSeconds) * 1000 }
    }
}

extension Signed {
    /// Signs what was not ordered.
    static let server = "vencejo"
}

extension ModelControl {
    /// Begins a rollout; `judge` carries it on. A policy that says nothing but what is accepted is of the rollout that is on.
    public func rollout(
        _ model: String, _ version: Int64?, _ policy: RolloutPolicy, isForced: Bool, _ signed: Signed
    ) throws(OrderError) -> Outcome {
        if let problem = policy.problem { throw .badPolicy(problem) }
        if policy.isAcceptance, let running = state.withLock({ $0.rollouts[model] }),
            version == nil || version == running.version
        {
            return try accept(model, signed)
        }
        let number = signed.isDryRun || !policy.gates.contains(.labels) ? nil : beginLabels()
        do throws(OrderError) {
            let outcome = try begin(model, version, policy, number, isForced: isForced, signed)
            if !signed.isDryRun { countAfresh(model, from: outcome.epoch) }
            return outcome
        } catch {
            number.map { exposures.end($0) }
            throw error
        }
    }

    private func beginLabels() -> UInt16? {
        exposures.begin(salt: .random(in: .min ... .max), rewards: RolloutLabels.allowed, isLenient: true)
    }

    private func begin(
        _ model: String, _ version: Int64?, _ policy: RolloutPolicy, _ number: UInt16?, isForced: Bool, _ signed: Signed
    ) throws(OrderError) -> Outcome {
        let percent = policy.percents[0]
        let salt = UInt64.random(in: .min ... .max)
        return try change(signed, .rollout) { (state) throws(OrderError) in
            var decision = try state.roster.rollout(model, version, percent: percent, isForced: isForced, salt: salt)
            guard let record = state.roster.models[model], let version = record.rollout, let live = record.live else {
                return decision
            }
            if state.rollouts[model] != nil { throw .rolloutIsOn(model: model, version: version) }
            let now = Clock.now()
            let labels = number.map {
                RolloutLabels($0, live: live, canary: version, percent: percent, exposures, now: now)
            }
            if let labels {
                decision = try state.roster.rollout(
                    model, version, percent: percent, isForced: true, salt: salt, labels: labels.joining)
            }
            state.rollouts[model] = RunningRollout(
                version: version, judge: Judge(policy, now: now), memoryBytes: ProcessMemory.residentBytes,
                labels: labels)
            let steps = policy.percents.map { "\($0) %" }.joined(separator: ", ")
            decision.steps.append("steps: \(steps), then it is live; it is taken back by itself if it is worse")
            if policy.gates != Rollout.Gate.Name.allCases {
                decision.steps.append("judged are \(policy.gates.map(\.rawValue).joined(separator: ", "))")
            }
            if !policy.accepted.isEmpty { decision.steps.append("that its answers differ is accepted") }
            return decision
        }
    }

    /// An operator accepts that the answers of what is rolled out differ: it goes on.
    private func accept(_ model: String, _ signed: Signed) throws(OrderError) -> Outcome {
        try change(signed, .rollout) { (state) throws(OrderError) in
            guard var running = state.rollouts[model] else { throw .noRollout(model: model) }
            let name = "version \(running.version) of model '\(model)'"
            if running.judge.isAccepted {
                return Decision(changes: [], steps: ["that the answers of \(name) differ is accepted already"])
            }
            running.judge.accept(now: Clock.now())
            state.rollouts[model] = running
            return try state.roster.remark(model, "that the answers of \(name) differ is accepted: it goes on")
        }
    }

    /// Calls that were dealt out before this commit are not counted: they were dealt out by other shares.
    func countAfresh(_ model: String, from epoch: UInt64) {
        for standing in directory.catalog.entry(named: model)?.standings ?? [] {
            standing.version?.model.seen.begin(epoch: epoch)
        }
    }

    /// What is to be told of each model: of all, or of one.
    func traffic(
        of name: String
    ) throws(OrderError) -> (epoch: UInt64, models: [(entry: Entry<Servable>, rollout: RunningRollout?)]) {
        try state.withLock { (state) throws(OrderError) in
            let (entries, epoch) = (directory.catalog.entries, directory.catalog.epoch)
            guard name.isEmpty || entries.contains(where: { $0.name == name }) else {
                throw .notLoaded(model: name, known: entries.map(\.name))
            }
            return (epoch, entries.filter { name.isEmpty || $0.name == name }.map { ($0, state.rollouts[$0.name]) })
        }
    }

    /// The models whose rollouts wait for a decision; `nil`: something is being decided.
    var waitingUnlessBusy: Set<String>? {
        state.withLockUnlessTaken { state in
            Set(state.rollouts.filter { $0.value.waitingMilliseconds != nil }.keys)
        }
    }
}
