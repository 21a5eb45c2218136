// Enters: a repository that others write to. Leaves: what is loaded follows it. On a thread of its own, never on a shard.
import Foundation
import Memory
import Models
import Reactor
import Repository
import Tensors

/// Looks at the repository when the kernel tells of a change, and every so often, and takes the steps that follow.
///
/// A version is taken when its manifest says that it is whole. One without a manifest is taken when its folder has not changed
/// from one look to the next, or for a second where the kernel told that who wrote to it is done.
/// Belongs to one thread at a time.
public final class Watcher: @unchecked Sendable {
    private let control: ModelControl
    private let pollNanoseconds: Int64
    private let worksBeside: (Int) -> Void
    private let log: (String) -> Void
    /// `nil`: the kernel tells nothing.
    private var watch: RepositoryWatch?
    private var sightings = Sightings()
    /// What need not be said again as long as it holds.
    private var said: Set<String> = []
    private var saying: Set<String> = []
    /// What did not become live, in place of which version; until either is another.
    private var refused: [VersionName: Refused] = [:]

    private struct Refused: Equatable {
        var live: Int64?
        var version: ObjectIdentifier?
    }

    /// Versions that were there when their model's folder was first listened to: the kernel told nothing of their copies. Until
    /// one is written to it is taken for whole after a short rest.
    private var unheard: Set<VersionName> = []

    static let restNanoseconds: Int64 = 1_000_000_000
    private static let unheardRestNanoseconds = 3 * restNanoseconds
    /// Who copies changes much in a short time.
    private static let gatherNanoseconds = 200_000_000

    /// `worksBeside`: see `Server.worksBeside`.
    public init(
        _ control: ModelControl, pollNanoseconds: Int64, worksBeside: @escaping @Sendable (Int) -> Void,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.control = control
        self.pollNanoseconds = pollNanoseconds
        self.worksBeside = worksBeside
        self.log = log
        do throws(RepositoryError) { watch = try RepositoryWatch() } catch {
            log("repository watch: the kernel tells of no changes (\(error.description)): it is looked at now and then")
        }
    }

    /// To be called before anything is loaded: what changes from then on is noticed.
    public func begin() { begin(at: Clock.now()) }

    func begin(at now: Int64) {
        _ = see([], at: now)
        // What was there before the server came is the start's.
        unheard = []
    }

    public func run() {
        var changed: Set<RepositoryWatch.Change> = []
        while true {
            let wait = look(changed, at: Clock.now())
            guard let watch else {
                Reactor.Thread.rest(nanoseconds: Int(wait))
                continue
            }
            changed = watch.wait(nanoseconds: wait)
            if changed.isEmpty { continue }
            Reactor.Thread.rest(nanoseconds: Self.gatherNanoseconds)
            changed.formUnion(watch.wait(nanoseconds: 0))
        }
    }

    /// One look at everything, and what follows. `changed`: what the kernel told.
    /// - Returns: how long until there may be something to do.
    func look(_ changed: Set<RepositoryWatch.Change>, at now: Int64) -> Int64 {
        defer { (said, saying) = (saying, []) }
        guard let seen = see(changed, at: now) else { return pollNanoseconds }
        var hasWorked = false
        for (name, folder) in seen.folders.sorted(by: { $0.key < $1.key }) {
            if follow(name, folder) { hasWorked = true }
            clean(name, folder)
        }
        for name in seen.gone.sorted() {
            if perform(
                "unload model '\(name)', whose folder is gone",
                { () throws(OrderError) in
                    try control.unloadAll(name)
                })
            {
                hasWorked = true
            }
        }
        if hasWorked { control.free() }
        return min(pollNanoseconds, max(seen.next - now, 10_000_000))
    }

    // MARK: - Looking

    private struct Folder {
        var watched = WatchedFolder()
        var settled: Set<Int64> = []
        var keep: Int?
    }

    private struct Seen {
        var folders: [String: Folder] = [:]
        /// Models that are loaded, and whose folders are gone.
        var gone: Set<String> = []
        /// When something may have come to rest.
        var next: Int64
    }

    private func see(_ changed: Set<RepositoryWatch.Change>, at now: Int64) -> Seen? {
        let repository = control.loader.repository
        unheard.subtract(
            changed.compactMap { change in change.version.map { VersionName(model: change.model, version: $0) } })
        var scan: Scan
        do throws(RepositoryError) {
            scan = try repository.scan()
            // A folder that is new may have changed before it was listened to.
            var turns = 0
            var models: Set<String> = []
            while turns < 8, let new = watch?.cover(repository, scan.models), new.isAny {
                scan = try repository.scan()
                models.formUnion(new.models)
                turns += 1
            }
            for folder in scan.models where models.contains(folder.name) {
                unheard.formUnion(folder.versions.map { VersionName(model: folder.name, version: $0) })
            }
        } catch {
            say("the repository cannot be read, and what is loaded stays: \(error.description)")
            return nil
        }
        if watch?.isPartial ?? false {
            say(
                "the kernel has no more inotify watches (fs.inotify.max_user_watches): some folders are only looked at now and then"
            )
        }
        let models = control.watched()
        var seen = Seen(next: .max)
        for problem in scan.problems { say(problem) }
        if scan.models.isEmpty, models.values.contains(where: { !$0.standings.isEmpty }) {
            say("the repository is empty, as one that is not mounted: what is loaded stays")
            return nil
        }
        let plans = scan.models.map(control.loader.plan)
        control.know(plans)
        for (folder, plan) in zip(scan.models, plans) {
            for problem in folder.problems { say("model '\(folder.name)': \(problem)") }
            if let failure = plan.failure {
                say("model '\(folder.name)' is left as it is: \(failure)")
                continue
            }
            seen.folders[folder.name] = see(
                plan, onDisk: Set(folder.versions), models[folder.name] ?? WatchedModel(),
                ended: changed.filter { $0.model == folder.name && $0.isEnd }, at: now, &seen.next)
        }
        for (name, model) in models where !model.standings.isEmpty && !scan.models.contains(where: { $0.name == name })
        {
            // Version 0 stands for the model itself.
            let end = sightings.miss(VersionName(model: name, version: 0), at: now) + missingRest
            if end <= now { seen.gone.insert(name) } else { seen.next = min(seen.next, end) }
        }
        for folder in scan.models { sightings.find(VersionName(model: folder.name, version: 0)) }
        return seen
    }

    /// For so long something must be gone.
    private var missingRest: Int64 { min(pollNanoseconds, Self.restNanoseconds) }

    private func see(
        _ plan: ModelPlan, onDisk: Set<Int64>, _ model: WatchedModel, ended: Set<RepositoryWatch.Change>, at now: Int64,
        _ next: inout Int64
    ) -> Folder {
        var folder = Folder()
        folder.keep = plan.configuration.versionsKept
        folder.watched.policy = plan.configuration.versionPolicy
        folder.watched.present = Set(plan.versions)
        let needsFile = plan.configuration.engine == .onnx
        for number in plan.versions {
            let name = VersionName(model: plan.name, version: number)
            switch model.standings[number] {
            case .failed?, .quarantined?: sightings.fail(name, isAgain: false)
            case .ready?, .live?: sightings.succeed(name)
            default: break
            }
            tellChange(plan, number)
            guard onDisk.contains(number) else {
                // An engine that needs no file.
                folder.watched.complete.insert(number)
                continue
            }
            let stamp: VersionStamp
            do throws(RepositoryError) {
                stamp = try control.loader.repository.stamp(model: plan.name, version: number)
            } catch {
                say("model '\(plan.name)': \(error.description)")
                continue
            }
            let isEnded = ended.contains { $0.version == nil || $0.version == number }
            let end = sightings.see(
                name, stamp, at: now,
                rest: min(
                    pollNanoseconds,
                    isEnded
                        ? Self.restNanoseconds : unheard.contains(name) ? Self.unheardRestNanoseconds : pollNanoseconds
                ))
            let isAtRest = end <= now && watch?.isBeingWritten(model: plan.name, version: number) != true
            if isAtRest || isCommitted(name, stamp) {
                folder.settled.insert(number)
            } else {
                next = min(next, max(end, now + Self.restNanoseconds / 4))
                continue
            }
            if needsFile && !stamp.has(plan.modelFile) { continue }
            if sightings.isFailed(name) {
                switch control.nextTry(plan.name, number) {
                case .now: break
                case .after(let nanoseconds):
                    next = min(next, now + nanoseconds)
                    continue
                case .never: continue
                }
            }
            folder.watched.complete.insert(number)
        }
        for number in model.standings.keys where number != 0 && !plan.versions.contains(number) {
            let end = sightings.miss(VersionName(model: plan.name, version: number), at: now) + missingRest
            if end <= now { folder.watched.gone.insert(number) } else { next = min(next, end) }
        }
        if let live = model.live, folder.watched.gone.contains(live) {
            say(
                "version \(live) of model '\(plan.name)' is live and its folder is gone: it stays until the server ends"
            )
        }
        return folder
    }

    /// Watching loads nothing anew: for an audit a number stands for one state.
    private func tellChange(_ plan: ModelPlan, _ number: Int64) {
        guard let change = control.changeAtAGlance(plan, number) else { return }
        say(
            "version \(number) of model '\(plan.name)': \(change), and what is loaded stays: put a new state under a new number, or "
                + "load it anew (vencejo load \(plan.name) --version \(number))")
    }

    private func isCommitted(_ name: VersionName, _ stamp: VersionStamp) -> Bool {
        guard stamp.hasManifest,
            let manifest = try? control.loader.repository.readManifest(name.model, name.version)
        else { return false }
        return manifest.isFulfilled(by: stamp)
    }

    // MARK: - Following

    /// - Returns: whether anything was done.
    private func follow(_ name: String, _ folder: Folder) -> Bool {
        var tried: Set<WatchStep> = []
        var hasWorked = false
        while true {
            let model = control.watched()[name] ?? WatchedModel()
            for (version, before) in refused
            where version.model == name && before == refused(name, version.version, model) {
                tried.insert(.makeLive(version.version))
            }
            guard let step = model.next(folder.watched, tried: tried) else {
                if model.isPinned, let live = model.live, let top = model.chosen(folder.watched).first, top != live {
                    say(
                        "version \(live) of model '\(name)' stays live, as an order wanted; swap to version \(top) to "
                            + "follow the repository again")
                }
                return hasWorked
            }
            tried.insert(step)
            hasWorked = true
            let isDone = perform("\(step.words) of model '\(name)'") { () throws(OrderError) in
                try control.take(step, of: name)
            }
            switch step {
            case .load(let number):
                let version = VersionName(model: name, version: number)
                if isDone { sightings.succeed(version) } else { sightings.fail(version, isAgain: true) }
            case .makeLive(let number):
                if !isDone { refused[VersionName(model: name, version: number)] = refused(name, number, model) }
            case .unload: break
            }
        }
    }

    private func refused(_ name: String, _ number: Int64, _ model: WatchedModel) -> Refused {
        Refused(live: model.live, version: control.serving(name, number)?.version.map(ObjectIdentifier.init))
    }

    private func perform(_ what: String, _ act: () throws(OrderError) -> Outcome) -> Bool {
        worksBeside(1)
        defer { worksBeside(-1) }
        do throws(OrderError) {
            for step in try act().decision.steps { log("repository watch: \(step)") }
            return true
        } catch {
            log("repository watch: could not \(what): \(error.sentence)")
            return false
        }
    }

    // MARK: - Cleaning up

    private func clean(_ name: String, _ folder: Folder) {
        guard let keep = folder.keep, let model = control.watched()[name] else { return }
        for number in model.superfluous(folder.settled, keep: keep, folder.watched) {
            do throws(RepositoryError) {
                try control.loader.repository.remove(model: name, version: number)
                log("repository watch: version \(number) of model '\(name)' was removed: its model.yaml keeps \(keep)")
            } catch {
                say("version \(number) of model '\(name)' is to go: \(error.description)")
            }
        }
    }

    /// Once, as long as it holds.
    private func say(_ sentence: String) {
        if saying.insert(sentence).inserted && !said.contains(sentence) { log("repository watch: \(sentence)") }
    }
}

extension WatchStep {
    fileprivate var words: String {
        switch self {
        case .load(let number): "load version \(number)"
        case .makeLive(let number): "make version \(number) live, instead of the one that is,"
        case .unload(let number): "unload version \(number)"
        }
    }
}
