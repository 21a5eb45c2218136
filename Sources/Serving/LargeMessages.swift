// Enters: a job that has run. Leaves: SHA-256 of its message and its answer, where the audit log has no copy of them.
import Cryptography
import GRPC
import HTTP2
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import RecordRing
import ServerMetrics
import Synchronization
import Tensors

/// SHA-256 of a message and of its answer, 32 bytes; empty: a record has a copy, or it was not taken.
struct LargeDigests: BitwiseCopyable {
    var request = ByteView.empty
    var answer = ByteView.empty
}

extension Job {
    /// Digests of what is larger than a record's copy. Takes about 0.6 ns a byte: a matter for executors.
    func digests(of message: ByteView) -> LargeDigests {
        var digests = LargeDigests()
        if message.count > RecordLayout.bodyBytesMax { digests.request = keep(SHA256.digest(of: message)) }
        guard case .outputs(let outputs) = result.outcome, outputs.contentBytes > RecordLayout.bodyBytesMax / 2 else {
            return digests
        }
        let answer = Answer(provenance: provenance, id: id, outputs: outputs, form: form)
        do throws(ArenaFull) {
            // Payloads are referenced, so that to encode it twice costs next to nothing.
            guard var writer = try answer.encode(for: method, in: &exchange.arena),
                writer.count - headroomBytes > RecordLayout.bodyBytesMax
            else { return digests }
            var hash = SHA256()
            let pieces = try writer.finish(in: &exchange.arena) { _, _ in }
            for index in pieces.indices {
                hash.update(index == 0 ? pieces[0].dropFirst(headroomBytes) : pieces[index])
            }
            digests.answer = keep(hash.finish())
        } catch {
            // Nor will there be room to answer.
        }
        return digests
    }

    private func keep(_ digest: Digest) -> ByteView {
        (try? exchange.arena.copy(digest.withBytes { [UInt8](copying: $0) })) ?? .empty
    }
}

extension Shard {
    /// Executors take digests; a shard's turn is too short for that.
    func needsDigest(_ job: Job, _ servable: Servable) -> Bool {
        guard let audit = pinnedAudit, audit.with({ $0.settings.digestsLarge }) else { return false }
        let requestBytes = audits[job.exchange.seat].message.request.count
        if requestBytes > RecordLayout.bodyBytesMax { return true }
        if servable.hasLargeAnswers.load(ordering: .relaxed) { return true }
        let answer = servable.answerBytes(job.work, job.form, requestBytes: requestBytes)
        return answer.map { $0 > RecordLayout.bodyBytesMax } ?? false
    }

    /// For an executor that may take its digest.
    func auditedMessage(of job: Job) -> ByteView {
        guard let audit else { return .empty }
        return job.auditNumber < 0 ? audits[job.exchange.seat].message.request : audit.messages[job.auditNumber].request
    }

    /// A job came back, from an executor or from this turn.
    func noteRun(_ job: Job, _ audit: ShardAudit, _ digests: LargeDigests, runner: UInt32) {
        let seat = job.exchange.seat
        if job.auditNumber >= 0 { audits[seat].message = audit.messages.take(job.auditNumber) }
        audits[seat].note(job, runner: runner)
        audits[seat].digests = digests
        guard audit.settings.digestsLarge, digests.answer.isEmpty, case .outputs(let outputs) = job.result.outcome,
            outputs.contentBytes > RecordLayout.bodyBytesMax
        else { return }
        // Once a model: from now on executors run it.
        job.servable.hasLargeAnswers.store(true, ordering: .relaxed)
        audits[seat].digests = job.digests(of: audits[seat].message.request)
    }
}

extension List<Tensor> {
    fileprivate var contentBytes: Int {
        var bytes = 0
        for index in indices { bytes += self[index].content.count }
        return bytes
    }
}

extension Answer {
    /// The message that leaves. `nil`: it leaves as a part of another one.
    fileprivate func encode(for method: PredictionMethod, in arena: inout Arena) throws(ArenaFull) -> WireWriter? {
        switch method {
        case .predict: try PredictResponse.encode(self, headroom: headroomBytes, in: &arena)
        case .modelInfer: try ModelInferResponse.encode(self, headroom: headroomBytes, in: &arena)
        case .predictStream:
            try PredictStreamResponse.answer(self).encode(headroom: headroomBytes, in: &arena)
        case .modelStreamInfer:
            try ModelStreamInferResponse.answer(self).encode(headroom: headroomBytes, in: &arena)
        case .predictMany: nil
        }
    }
}
