// Enters: what versions' folders look like, look by look. Leaves: which of them are at rest. Values; no I/O, no clock.
import Repository

/// One version of one model.
struct VersionName: Hashable, Sendable {
    let model: String
    let version: Int64
}

/// What was seen of folders that others write to, so that no copy is taken while it is under way.
struct Sightings: Sendable {
    private struct Sighting: Sendable {
        var stamp: VersionStamp
        var since: Int64
        /// For so long it must look the same.
        var rest: Int64
    }

    private var seen: [VersionName: Sighting] = [:]
    private var missing: [VersionName: Int64] = [:]
    private var failed: [VersionName: VersionStamp] = [:]

    /// - Returns: when it is at rest, if it does not change.
    mutating func see(_ name: VersionName, _ stamp: VersionStamp, at now: Int64, rest: Int64) -> Int64 {
        missing[name] = nil
        // Who has heard that the copy is over need not wait for long.
        if seen[name]?.stamp != stamp || seen[name].map({ rest < $0.rest && now < $0.since + $0.rest }) ?? true {
            seen[name] = Sighting(stamp: stamp, since: now, rest: rest)
        }
        return seen[name].map { $0.since + $0.rest } ?? now
    }

    /// It is not there. - Returns: since when.
    mutating func miss(_ name: VersionName, at now: Int64) -> Int64 {
        seen[name] = nil
        failed[name] = nil
        let since = missing[name] ?? now
        missing[name] = since
        return since
    }

    /// It is there again.
    mutating func find(_ name: VersionName) { missing[name] = nil }

    /// It could not be loaded as it was seen last. `isAgain`: so it is since this look, and not since an earlier one.
    mutating func fail(_ name: VersionName, isAgain: Bool) {
        if isAgain || failed[name] == nil { failed[name] = seen[name]?.stamp }
    }

    /// It was loaded.
    mutating func succeed(_ name: VersionName) { failed[name] = nil }

    /// Nothing changed since it could not be loaded.
    func isFailed(_ name: VersionName) -> Bool { failed[name].map { $0 == seen[name]?.stamp } ?? false }
}
