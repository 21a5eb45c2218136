// Enters: a ring's folder, looked at now and then; what time it is. Leaves: the ring in force, and what became of its keys.

/// A ring that follows its folder. A bad state of the folder leaves the ring in force as it is.
///
/// Belongs to one thread, which looks about once a second; it reads no clock itself.
public struct KeyringWatch: Sendable {
    public enum Outcome: Equatable, Sendable {
        case unchanged
        /// Another ring is in force. Empty: files were written anew, and the keys are the same.
        case reloaded([KeyringChange])
        /// Told once for each fault: count it, and record it.
        case refused(KeyringError)
    }

    public let folder: KeyringFolder
    /// In force.
    public private(set) var ring: Keyring
    /// Why what lies in the folder now is not in force; `nil`: it is.
    public private(set) var refusal: KeyringError?
    private var debounce: ReloadDebounce

    /// Loads the ring. `nanoseconds`: of a clock that never goes back.
    public init(_ folder: KeyringFolder, at now: UTCTime, nanoseconds: Int64) throws(KeyringError) {
        let loaded = try folder.load(at: now)
        self.folder = folder
        ring = loaded.ring
        debounce = ReloadDebounce(.stamp(loaded.stamp), at: nanoseconds)
    }

    /// Loads the ring anew if the folder changed and then came to rest, or was refused a while ago.
    public mutating func look(at now: UTCTime, nanoseconds: Int64) -> Outcome {
        let seen = folder.seen()
        guard debounce.isDue(seen, at: nanoseconds) else { return .unchanged }
        return load(seen, at: now, nanoseconds: nanoseconds)
    }

    /// Loads the ring anew at once: an operator asks for it (SIGHUP).
    public mutating func reload(at now: UTCTime, nanoseconds: Int64) -> Outcome {
        refusal = nil
        return load(folder.seen(), at: now, nanoseconds: nanoseconds)
    }

    private mutating func load(_ seen: ReloadDebounce.Seen, at now: UTCTime, nanoseconds: Int64) -> Outcome {
        do throws(KeyringError) {
            let loaded = try folder.load(at: now)
            let changes = loaded.ring.changes(since: ring)
            ring = loaded.ring
            refusal = nil
            debounce.settle(.stamp(loaded.stamp), isRefused: false, at: nanoseconds)
            return .reloaded(changes)
        } catch {
            // No fault: it comes to rest, and is read then.
            if error.reason == .changed {
                debounce.restart()
                return .unchanged
            }
            debounce.settle(seen, isRefused: true, at: nanoseconds)
            defer { refusal = error }
            return isTold(error) ? .unchanged : .refused(error)
        }
    }

    /// A sentence about time has the time of the attempt in it.
    private func isTold(_ error: KeyringError) -> Bool {
        error == refusal || error.reason == .time && refusal?.reason == .time
    }
}

/// When a folder that is looked at now and then is to be read. Pure: time and what was seen come in as values.
struct ReloadDebounce: Sendable {
    enum Seen: Equatable, Sendable {
        case stamp(KeyringStamp)
        case failure(KeyringError)
    }

    /// A change is read when nothing else changed for so long: several files may belong to it.
    static let restNanoseconds: Int64 = 1_000_000_000
    /// What was refused is tried again: a time may have come, a disk may answer again.
    static let retryNanoseconds: Int64 = 60_000_000_000

    /// Of the last load.
    private var settled: Seen
    private var settledAt: Int64
    private var isRefused = false
    private var waiting: (seen: Seen, since: Int64)?

    init(_ seen: Seen, at nanoseconds: Int64) {
        settled = seen
        settledAt = nanoseconds
    }

    mutating func isDue(_ seen: Seen, at nanoseconds: Int64) -> Bool {
        if seen == settled {
            waiting = nil
            return isRefused && nanoseconds - settledAt >= Self.retryNanoseconds
        }
        guard let waiting, waiting.seen == seen else {
            waiting = (seen, nanoseconds)
            return false
        }
        return nanoseconds - waiting.since >= Self.restNanoseconds
    }

    /// What was seen last has to come to rest anew.
    mutating func restart() { waiting = nil }

    mutating func settle(_ seen: Seen, isRefused: Bool, at nanoseconds: Int64) {
        settled = seen
        settledAt = nanoseconds
        self.isRefused = isRefused
        waiting = nil
    }
}
