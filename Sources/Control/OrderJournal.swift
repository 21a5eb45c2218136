// Enters: orders, and what the server does by itself. Leaves: Admin records: what was meant before, what came of it after.
import Cryptography
import Memory
import Models
import Protobuf
import Reactor
import RecordRing
import Serving
import Tensors

/// What an order is about. `version` `nil`: it names none.
struct Ordered {
    let model: String
    var version: Int64?

    init(_ model: String, _ version: Int64? = nil) { (self.model, self.version) = (model, version) }
}

/// Records orders (TRUST 4.5: always `disk` and `closed`).
final class OrderJournal: Sendable {
    private let journal: AuditJournal
    private let directory: Directory<Servable>
    private let file: StateFile?

    init(_ journal: AuditJournal, _ directory: Directory<Servable>, _ file: StateFile?) {
        (self.journal, self.directory, self.file) = (journal, directory, file)
    }

    /// An order that is recorded and not yet carried out.
    struct Intent {
        fileprivate let journal: OrderJournal
        fileprivate let record: AdminRecord

        /// It was carried out. Throws: that is not durable.
        func done(_ outcome: Outcome) throws(ErrandRefusal) {
            var record = record
            record.phase = .done
            record.changes = journal.changes(outcome.decision)
            record.steps = outcome.decision.steps
            record.epoch = outcome.epoch
            try journal.end(record, "the order was carried out, but")
        }

        func failed(_ error: String) throws(ErrandRefusal) {
            var record = record
            record.phase = .failed
            record.changes = []
            record.error = error
            try journal.end(record, "the order failed (\(error)), and")
        }
    }

    /// Records what is to be done, and returns when that is durable. `nil`: nothing is to be done but to say what would be.
    func intend(
        _ action: OrderAction, _ signed: Signed, _ wanted: [Ordered], of errand: Errand
    ) throws(ErrandRefusal) -> Intent? {
        guard !signed.isDryRun else { return nil }
        var record = AdminRecord(action, signed)
        record.changes = wanted.map { AdminRecord.Change(model: $0.model, to: $0.version ?? 0) }
        record.before = stateDigest
        do throws(AuditJournalError) {
            record.intent = try journal.keep(.admin, record.encoded) ?? 0
        } catch {
            throw ErrandRefusal(.unavailable, "the order is not carried out: \(error.sentence)")
        }
        errand.isRecorded = true
        return Intent(journal: self, record: record)
    }

    private func end(_ record: AdminRecord, _ what: String) throws(ErrandRefusal) {
        var record = record
        record.after = stateDigest
        do throws(AuditJournalError) { _ = try journal.keep(.admin, record.encoded) } catch {
            throw ErrandRefusal(.unavailable, "\(what) \(error.sentence)")
        }
    }

    /// What no caller ordered was done: told, and not waited for.
    func happened(_ action: OrderAction, _ signed: Signed, _ decision: Decision, epoch: UInt64) {
        var record = AdminRecord(action, signed)
        record.phase = .done
        record.changes = changes(decision)
        record.steps = decision.steps
        record.epoch = epoch
        record.isAutomatic = true
        journal.tell(.admin, record.encoded)
    }

    /// A version that the server begins with was loaded, or could not be.
    func loaded(_ report: LoadReport) {
        var record = AdminRecord(
            .load, Signed(author: Signed.server, reason: "start", timeMilliseconds: Clock.wallMilliseconds()))
        record.phase = report.failure == nil ? .done : .failed
        record.changes = [
            AdminRecord.Change(model: report.model, to: report.version, artifact: [UInt8](hex: report.digest) ?? [])
        ]
        record.error = report.failure ?? ""
        record.isAutomatic = true
        journal.tell(.admin, record.encoded)
    }

    private func changes(_ decision: Decision) -> [AdminRecord.Change] {
        let catalog = directory.catalog
        return decision.changes.map { change in
            let version = change.to.flatMap { number in
                catalog.entries.first { $0.name == change.model }?.standing(number)?.version
            }
            return AdminRecord.Change(
                model: change.model, from: change.from ?? 0, to: change.to ?? 0,
                artifact: version?.digest.array ?? [])
        }
    }

    /// SHA-256 of the file that keeps what is served; empty: there is none.
    private var stateDigest: [UInt8] {
        guard let file, let bytes = file.bytes else { return [] }
        return SHA256.digest(of: bytes.raw).withBytes { [UInt8](copying: $0) }
    }
}

extension Order {
    var wanted: [Ordered] {
        switch self {
        case .load(let model, let version, _, _), .unload(let model, let version, _),
            .shadow(let model, let version, _),
            .label(let model, _, let version):
            [Ordered(model, version)]
        case .swap(let changes, _): changes.map { Ordered($0.model, $0.version) }
        case .rollback(let model), .promote(let model), .abort(let model): [Ordered(model)]
        case .weights(let model, let shares, _): shares.map { Ordered(model, $0.version) }
        }
    }
}
