// Enters: what a shard learns of a call on its way. Leaves: the same in one place, until the call's record is written.
import HTTP2
import Memory
import Models
import Protobuf
import RecordRing
import ServerMetrics
import Tensors

/// What a record needs of a message, from when it came. Views lie in the exchange's memory.
struct AuditedMessage: BitwiseCopyable {
    /// Uncompressed, without prefix.
    var request = ByteView.empty
    var model = ByteView.empty
    var selector = VersionSelector.live
    /// The caller's id for the call.
    var id = ByteView.empty
    var labels = List<Label>()
    /// What part of the divided traffic goes to the version that was leased, in millionths; 0: it is not divided.
    var shareMillionths: UInt32 = 0
    /// Its number in its stream, from 1; 0: it is a unary call's, or a stream's end.
    var number: UInt32 = 0
    /// Room that was taken for the record; `nil`: none yet, or the record is written.
    var credit: RecordCredit?
    /// It goes on without a record, by the policy `open`.
    var isUnrecorded = false

    mutating func note(_ call: Call) {
        model = call.model
        selector = call.selector
        id = call.id
        labels = call.labels
    }
}

/// What a record needs of an exchange's call; of a stream, of the message that is answered.
struct AuditedCall: BitwiseCopyable {
    var message = AuditedMessage()
    /// The version that answered; `nil`: none was leased.
    var provenance: Provenance?
    /// TRUST 4.1: 0 no choice, 1 by key, 2 by chance.
    var draw: UInt8 = 0
    var exposure: UInt64 = 0
    var batch: UInt64 = 0
    var batchRows: UInt32 = 0
    var batchFirst: UInt32 = 0
    var rows: UInt32 = 0
    /// Messages of the stream so far.
    var messages: UInt32 = 0
    var digests = LargeDigests()
    /// The last record of the call is written, or there will be none.
    var isRecorded = false
    /// That record is not durable yet, and the call's end waits for it.
    var isEnding = false
    /// Of the last record; 0: there is none.
    var sequence: UInt64 = 0
    /// The caller, of a stream that is gone while a message of it is at work.
    var caller: CallerViews?

    /// It ran, or was refused after it was leased. Its message is here already.
    mutating func note(_ job: Job, runner: UInt32) {
        provenance = job.provenance
        switch job.draw {
        case .none: draw = 0
        case .byKey: draw = 1
        case .byChance: draw = 2
        }
        exposure = job.arm.map { UInt64($0.period) } ?? 0
        batch = job.result.batch == 0 ? 0 : UInt64(runner) << 32 | UInt64(job.result.batch)
        batchRows = UInt32(clamping: job.result.batchRows)
        batchFirst = UInt32(clamping: job.result.batchFirst)
        rows = UInt32(clamping: job.rows ?? 1)
    }

    /// A stream's message was refused before it had a version.
    mutating func note(_ refused: AuditedMessage) {
        let (messages, sequence, caller) = (messages, sequence, caller)
        self = AuditedCall()
        (self.messages, self.sequence, self.caller) = (messages, sequence, caller)
        message = refused
    }

    /// The message of a unary call is here, or another one of its stream.
    mutating func begin(_ request: ByteView, isStreamed: Bool) {
        if isStreamed {
            messages += 1
            forgetMessage()
            message.number = messages
        }
        message.request = request
    }

    /// What comes next is the answer to all messages of its stream.
    mutating func forgetMessage() {
        var next = AuditedCall()
        (next.messages, next.sequence) = (messages, sequence)
        self = next
    }
}

extension Method {
    /// It changes what is served: what is carried out is recorded there, before and after.
    var isOrder: Bool {
        switch self {
        case .load, .unload, .swap, .rollback, .setLabel, .setWeights, .rollout, .promote, .abort, .shadow, .experiment,
            .repositoryModelLoad, .repositoryModelUnload:
            true
        default: false
        }
    }
}
