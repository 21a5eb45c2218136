// Enters: a model that was loaded, or why it was not. Leaves: a version that can be leased, and its state.
public import Memory
public import Tensors

/// Where a version stands.
public enum VersionState: Sendable, Equatable {
    case loading
    case ready
    /// Our own sentence, fit for callers.
    case failed(String)
}

/// One version of one model, in one slot. It is written once by a loader and read by every shard.
public final class Version<Model: AnyObject & Sendable>: Sendable {
    private final class Failure: Sendable {
        let sentence: String
        init(_ sentence: String) { self.sentence = sentence }
    }

    public let number: Int64
    public let slot: Slot
    /// What a loader brought; never changes afterwards. The digest is there before the model is.
    private let loaded = Publication()
    private let artifactDigest = Publication()
    private let failure = Publication()

    init(number: Int64, slot: Slot) {
        self.number = number
        self.slot = slot
    }

    /// `digest`: SHA-256 of the artifact, 32 bytes; empty where there is no file.
    public func becomeReady(_ model: Model, digest: [UInt8]) {
        _ = artifactDigest.publish(OwnedBytes(digest))
        precondition(loaded.publish(model), "version \(number) was loaded twice")
    }

    public func fail(_ sentence: String) { _ = failure.publish(Failure(sentence)) }

    public var state: VersionState {
        if loaded.load(as: Model.self) != nil { return .ready }
        if let failure = failure.load(as: Failure.self) { return .failed(failure.object.sentence) }
        return .loading
    }

    /// The model, once it is ready. Lives as long as the version.
    public var model: Pinned<Model>? { loaded.load(as: Model.self) }

    /// SHA-256 of the artifact, once it is ready. Lives as long as the version.
    public var digest: ByteView { artifactDigest.load(as: OwnedBytes.self)?.object.view ?? .empty }
}
