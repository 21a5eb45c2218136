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
public final class Version<Model: Sendable>: Sendable {
    /// What a loader brought; never changes afterwards.
    private final class Loaded: Sendable {
        let model: Model
        let digest: OwnedBytes
        init(model: Model, digest: [UInt8]) {
            self.model = model
            self.digest = OwnedBytes(digest)
        }
    }

    private final class Failure: Sendable {
        let sentence: String
        init(_ sentence: String) { self.sentence = sentence }
    }

    public let number: Int64
    public let slot: Slot
    private let loaded = Publication()
    private let failure = Publication()

    init(number: Int64, slot: Slot) {
        self.number = number
        self.slot = slot
    }

    /// `digest`: SHA-256 of the artifact, 32 bytes; empty where there is no file.
    public func becomeReady(_ model: Model, digest: [UInt8]) {
        precondition(loaded.publish(Loaded(model: model, digest: digest)), "version \(number) was loaded twice")
    }

    public func fail(_ sentence: String) { _ = failure.publish(Failure(sentence)) }

    public var state: VersionState {
        if loaded.load(as: Loaded.self) != nil { return .ready }
        if let failure = failure.load(as: Failure.self) { return .failed(failure.object.sentence) }
        return .loading
    }

    /// The model, once it is ready.
    public var model: Model? { loaded.load(as: Loaded.self)?.object.model }

    /// SHA-256 of the artifact, once it is ready. Lives as long as the version.
    public var digest: ByteView { loaded.load(as: Loaded.self)?.object.digest.view ?? .empty }
}
