// Enters: which versions are being loaded, and what became of it. Leaves: which may be tried again, and when.
import Foundation
import Memory
import Models
import Reactor
import Repository

/// When what failed may be tried again by itself.
public enum NextTry: Sendable, Equatable {
    case now
    case after(nanoseconds: Int64)
    /// It is left alone until its file changes or somebody orders a load of it; why.
    case never(String)
}

/// The attempts to load versions that did not go well, and those under way.
///
/// What is under way in this process is kept in a file: if the next process finds it there, this one did not survive it. The
/// file is not synced, for it has to outlive our process and not the machine.
final class Attempts: Sendable {
    struct Key: Hashable, Codable {
        var model: String
        var version: Int64
    }

    private struct Attempt: Codable {
        var key: Key
        /// The file that was tried.
        var stamp: FileStamp?
        var failures = 0
        var reason = ""
        /// Processes that ended meanwhile, one after the other.
        var crashes = 0
        var isUnderWay = false
        /// On this process's clock.
        var dueNanoseconds: Int64 = 0
    }

    private struct Kept: Codable {
        var schema = 1
        var attempts: [Attempt]
    }

    private struct State {
        var attempts: [Key: Attempt] = [:]
        var hasLeft = false
    }

    private let file: KeptFile?
    private let repository: Repository
    private let now: @Sendable () -> Int64
    private let seed: UInt64
    private let state: Lock<State>

    /// `state`: the file of the desired state; ours lies beside it.
    init(beside state: KeptFile?, _ repository: Repository, now: @escaping @Sendable () -> Int64 = { Clock.now() }) {
        file = state.map { KeptFile(path: $0.path + ".loading") }
        self.repository = repository
        self.now = now
        seed = UInt64(bitPattern: Clock.wallMilliseconds())
        var first = State()
        // What cannot be read is nothing: a server starts without it.
        let bytes = (try? file?.read()) ?? []
        if let kept = try? JSONDecoder().decode(Kept.self, from: Data(bytes)), kept.schema == 1 {
            for var attempt in kept.attempts where Self.stamp(attempt.key, repository) == attempt.stamp {
                if attempt.isUnderWay { attempt.crashes += 1 }
                attempt.isUnderWay = false
                first.attempts[attempt.key] = attempt
            }
        }
        self.state = Lock(first)
        self.state.withLock { keep($0) }
    }

    /// The last process ended while it was on its way: it may be why, or was there by chance.
    func isSuspect(_ key: Key) -> Bool { state.withLock { ($0.attempts[key]?.crashes ?? 0) > 0 } }

    /// Why it is left alone; `nil`: it is not.
    func quarantine(_ key: Key) -> String? {
        forgetIfChanged(key)
        return state.withLock { $0.attempts[key].flatMap(Self.quarantine) }
    }

    private static func quarantine(_ attempt: Attempt) -> String? {
        let way = "it is left alone until its file changes or somebody loads it by order (vencejo load)"
        if attempt.crashes >= RetryPolicy.crashesMax {
            return "the last \(attempt.crashes) processes ended while they loaded it; \(way)"
        }
        if attempt.failures >= RetryPolicy.failuresMax {
            return "\(attempt.reason) (\(attempt.failures) times in a row; \(way))"
        }
        return nil
    }

    /// Somebody wants it: what was is forgotten.
    func lift(_ key: Key) {
        state.withLock { state in
            state.attempts[key] = nil
            keep(state)
        }
    }

    /// From here on this process may not survive it.
    func begin(_ key: Key) {
        let stamp = Self.stamp(key, repository)
        state.withLock { state in
            var attempt = state.attempts[key] ?? Attempt(key: key)
            attempt.stamp = stamp
            attempt.isUnderWay = true
            state.attempts[key] = attempt
            keep(state)
        }
    }

    /// It is in memory, or not needed any more.
    func ended(_ key: Key) { lift(key) }

    /// - Returns: why it is left alone now; `nil`: it may be tried again.
    func failed(_ key: Key, _ reason: String) -> String? {
        let stamp = Self.stamp(key, repository)
        return state.withLock { state in
            var attempt = state.attempts[key] ?? Attempt(key: key)
            attempt.stamp = stamp
            attempt.isUnderWay = false
            attempt.failures += 1
            attempt.reason = reason
            let own = seed &+ UInt64(bitPattern: Int64(key.hashValue))
            attempt.dueNanoseconds = now() + (RetryPolicy.wait(afterFailures: attempt.failures, seed: own) ?? 0)
            state.attempts[key] = attempt
            keep(state)
            return Self.quarantine(attempt)
        }
    }

    /// When it may be tried again by itself.
    func next(_ key: Key) -> NextTry {
        forgetIfChanged(key)
        return state.withLock { state in
            guard let attempt = state.attempts[key] else { return .now }
            if let reason = Self.quarantine(attempt) { return .never(reason) }
            let wait = attempt.dueNanoseconds - now()
            return wait > 0 && attempt.failures > 0 ? .after(nanoseconds: wait) : .now
        }
    }

    /// The process ends because it was asked to: nothing that is under way is to blame.
    func leave() {
        state.withLock { state in
            for key in state.attempts.keys { state.attempts[key]?.isUnderWay = false }
            keep(state)
            state.hasLeft = true
        }
    }

    private func forgetIfChanged(_ key: Key) {
        let stamp = Self.stamp(key, repository)
        state.withLock { state in
            guard let attempt = state.attempts[key], !attempt.isUnderWay, attempt.stamp != stamp else { return }
            state.attempts[key] = nil
            keep(state)
        }
    }

    private static func stamp(_ key: Key, _ repository: Repository) -> FileStamp? {
        repository.fileStamp(model: key.model, version: key.version)
    }

    /// Only crashes are for the next process: it tries what merely failed.
    private func keep(_ state: State) {
        guard let file, !state.hasLeft else { return }
        let attempts = state.attempts.values.filter { $0.isUnderWay || $0.crashes > 0 }.sorted {
            ($0.key.model, $0.key.version) < ($1.key.model, $1.key.version)
        }
        if attempts.isEmpty { return file.remove() }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(Kept(attempts: attempts)) else {
            preconditionFailure("attempts that cannot be encoded")
        }
        // Where nothing can be written nothing is known of crashes; loads go on.
        try? file.write(Array(data), isSynced: false)
    }
}
