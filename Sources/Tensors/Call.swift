// Enters: what every dialect decodes to. Leaves: what every dialect encodes from.
public import Memory

/// One of the places in which a version of a model can stand.
public enum Slot: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case blue = 1
    case green, shadow

    public var name: StaticString {
        switch self {
        case .blue: "blue"
        case .green: "green"
        case .shadow: "shadow"
        }
    }
}

/// Which version of the model a caller asked for.
public enum VersionSelector: BitwiseCopyable, Sendable {
    /// None named: the one that is live.
    case live
    case number(Int64)
    case label(ByteView)
    case slot(Slot)
}

/// In which form a call of the Open Inference Protocol is answered.
public enum AnswerForm: String, BitwiseCopyable, Sendable, CaseIterable {
    /// As Triton answers, whatever the request used: its clients read nothing else.
    case raw
    /// In the form that the request used.
    case asAsked = "as-asked"

    public init?(_ text: ByteView) {
        if text == "raw" { self = .raw } else if text == "as-asked" { self = .asAsked } else { return nil }
    }
}

/// How elements are written.
public enum ContentForm: UInt8, BitwiseCopyable, Sendable {
    /// Little-endian bytes.
    case raw
    /// Repeated protobuf numbers (`InferTensorContents`).
    case typed
}

/// Who goes first where calls wait.
public enum Priority: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case high, normal, low
}

/// One prediction asked for. All views lie in the exchange's memory.
public struct Call: BitwiseCopyable, Sendable {
    public var model = ByteView.empty
    public var selector = VersionSelector.live
    /// The caller's id for this call.
    public var id = ByteView.empty
    public var labels = List<Label>()
    public var inputs = List<Tensor>()
    /// Names of the outputs wanted, in this order; empty: all.
    public var outputs = List<ByteView>()
    /// How the client wrote the elements, until the server has decided how the answer is written.
    public var form = ContentForm.raw
    /// What the client wants of that; `nil`: nothing was said.
    public var answers: AnswerForm?
    public var priority = Priority.normal
    /// How long the caller waits, where the message says so beside gRPC's own deadline; `.max`: nothing is said.
    public var timeoutNanoseconds = Int64.max

    public init() {}
}

/// A caller's key and value, kept with the audit record.
public struct Label: BitwiseCopyable, Sendable {
    public var key: ByteView
    public var value: ByteView

    public init(key: ByteView, value: ByteView) {
        self.key = key
        self.value = value
    }
}

/// Who gave an answer: the model's name, the version's number and slot, the digest of the artifact, and as of which commit.
public struct Provenance: BitwiseCopyable, Sendable {
    public var model: ByteView
    public var version: Int64
    /// `nil`: the version stands in none.
    public var slot: Slot?
    /// SHA-256 of the model file, 32 bytes; empty where there is no file (`engine: identity`).
    public var artifactDigest: ByteView
    /// Which commit of the server's models the version was found in; grows by one with each.
    public var epoch: UInt64

    public init(model: ByteView, version: Int64, slot: Slot?, artifactDigest: ByteView, epoch: UInt64) {
        self.model = model
        self.version = version
        self.slot = slot
        self.artifactDigest = artifactDigest
        self.epoch = epoch
    }
}

/// One prediction made.
public struct Answer: BitwiseCopyable, Sendable {
    public var provenance: Provenance
    public var id: ByteView
    public var outputs: List<Tensor>
    public var form: ContentForm

    public init(provenance: Provenance, id: ByteView, outputs: List<Tensor>, form: ContentForm) {
        self.provenance = provenance
        self.id = id
        self.outputs = outputs
        self.form = form
    }
}
