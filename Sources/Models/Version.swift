// Enters: a model that was loaded. Leaves: what a lease refers to. It never changes.
public import Memory
public import Tensors

/// One loaded version of one model. What answers name of it lies here too, so that it lives as long as the model.
public final class Version<Model: AnyObject & Sendable>: Sendable {
    public let number: Int64
    public let model: Model
    /// Why it should not become live, one phrase each; it answers who asks for it all the same.
    public let faults: [String]
    /// The model, without counting who uses it.
    let pinned: Pinned<Model>
    private let nameBytes: OwnedBytes
    private let digestBytes: OwnedBytes

    /// `digest`: SHA-256 of the artifact, 32 bytes; empty where there is no file.
    public init(of name: String, number: Int64, _ model: Model, digest: [UInt8], faults: [String] = []) {
        self.number = number
        self.model = model
        self.faults = faults
        pinned = Pinned(model)
        nameBytes = OwnedBytes(name)
        digestBytes = OwnedBytes(digest)
    }

    /// The same, with other faults.
    public func with(faults: [String]) -> Version {
        Version(of: nameBytes.view.text, number: number, model, digest: digestBytes.view.array, faults: faults)
    }

    public var name: ByteView { nameBytes.view }
    public var digest: ByteView { digestBytes.view }

    /// As in "version 2 (sha256 9f86d081884c)": a number may stand for other bytes tomorrow.
    public var title: String {
        digest.count == 0 ? "version \(number)" : "version \(number) (sha256 \(digest.array.hex.prefix(12)))"
    }
}

/// What is known of one version as of one commit.
public struct Standing<Model: AnyObject & Sendable>: Sendable {
    public let number: Int64
    /// The place that it stands in; `nil`: none, it is asked for by its number.
    public var slot: Slot?
    public private(set) var state: VersionState
    /// While it takes calls.
    public private(set) var version: Version<Model>?

    /// Which load it is on its way by: a version may be unloaded and loaded anew while the first load goes on.
    public let load: UInt64
    /// The load that makes it anew while it takes calls, from another file or by another configuration; `nil`: none.
    public internal(set) var renewal: UInt64?

    /// On its way into memory.
    public init(loading number: Int64, slot: Slot?, load: UInt64 = 0) {
        self.number = number
        self.load = load
        self.slot = slot
        state = .loading
    }

    /// What happened to it.
    public mutating func note(_ event: VersionEvent) {
        guard let next = state.after(event) else { preconditionFailure("\(event) does not happen to \(state)") }
        state = next
        if !next.isServing { version = nil }
    }

    /// It is in memory, and has been warmed up.
    public mutating func becomeReady(_ version: Version<Model>) {
        precondition(version.number == number)
        if state == .loading { note(.loaded) }
        note(.warmed)
        renewal = nil
        self.version = version
    }

    /// Something is on its way into memory for it.
    public var isLoading: Bool { state.isComing || renewal != nil }

    /// Whether it waits for what this load brings.
    public func awaits(load: UInt64) -> Bool { state.isComing ? self.load == load : renewal == load }

    /// It takes calls as before, by another model. - Returns: what took them until now.
    mutating func renew(_ version: Version<Model>) -> Version<Model>? {
        precondition(version.number == number && state.isServing)
        defer { self.version = version }
        renewal = nil
        return self.version
    }
}
