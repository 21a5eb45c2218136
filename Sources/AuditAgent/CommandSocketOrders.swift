// Enters: a request, the payload keys, the log. Leaves: it done, and an answer that says so or why not.
public import Audit
public import Keyrings

extension CommandRequest {
    /// Does what is asked, at once. The agent calls it between batches, and a command that found no agent calls it as well.
    /// - Parameters:
    ///   - uid: of the peer; it stands in for a principal that is not named.
    ///   - now: ns since 1970.
    ///   - status: a sentence for `status`.
    ///   - append: `LogWriter.append`.
    public func perform<Volume: AuditVolume>(
        uid: UInt32, _ store: PayloadKeyStore<Volume>, subjectIndex: Keyring, now: UInt64, random: (Int) -> [UInt8],
        status: () -> String, append: ([Draft]) throws(VolumeError) -> Range<UInt64>
    ) -> CommandReply {
        func order(_ subject: CommandSubject) -> SubjectOrder {
            SubjectOrder(
                pseudonyms: ErasureSubject.pseudonyms(of: subject.id, subjectIndex),
                principal: subject.principal.isEmpty ? "uid \(uid)" : subject.principal, reason: subject.reason)
        }
        do throws(VolumeError) {
            switch self {
            case .status: return CommandReply(.done, status())
            case .erase(let subject):
                let outcome = try Erasure.run(order(subject), store, now: now, random: random, append: append)
                return CommandReply(outcome, storeKey: store.storeKeyID, ends: store.storeKeyEnds)
            case .hold(let subject, let isLifted):
                let outcome = try Hold.run(
                    order(subject), isLifted: isLifted, store, now: now, random: random, append: append)
                return CommandReply(outcome, isLifted: isLifted)
            }
        } catch {
            return CommandReply(.failed, "\(error.sentence); it is not known whether it was done: ask again")
        }
    }
}

extension CommandReply {
    fileprivate init(_ outcome: Erasure.Outcome, storeKey: String, ends: String?) {
        switch outcome {
        case .refused(let record):
            self.init(.refused, "the subject is held, so nothing is erased; lift the hold first")
            self.record = record
        case .done(let keys, _, let record):
            self.init(.done, "the subject is erased: \(Self.count(keys)) deleted")
            (self.keys, self.record, self.storeKey, storeKeyEnds) = (keys, record, storeKey, ends)
        }
    }

    private static func count(_ keys: Int) -> String { keys == 1 ? "1 payload key" : "\(keys) payload keys" }

    fileprivate init(_ outcome: Hold.Outcome, isLifted: Bool) {
        switch outcome {
        case .notHeld: self.init(.refused, "the subject is not held, so there is nothing to lift")
        case .done(let keys, let record):
            self.init(
                .done, isLifted ? "the subject is no longer held" : "the subject is held, with \(Self.count(keys))")
            (self.keys, self.record) = (keys, record)
        }
    }
}
