// Enters: a ring's document. Leaves: it after one step of a rotation, or which step comes next.

extension KeyringDocument {
    /// `kid` is listed. Errors: `state`, `time`. Keys keep their places, from the oldest to the newest: what stands behind the
    /// active one waits to be activated.
    func activating(_ kid: String, at now: UTCTime, path: String) throws(KeyringError) -> KeyringDocument {
        guard let entry = self[kid] else { return self }
        switch entry.state {
        case .active: throw .state("the key \(kid) of the ring \(quoted(path)) is active already")
        case .revoked:
            throw .state(
                "the key \(kid) of the ring \(quoted(path)) is revoked, and a revoked key never comes back; make a new one with "
                    + "vencejo key rotate --ring \(shellWord(path))")
        case .verify: break
        }
        let document = "\(path)/\(Self.fileName)"
        if let begin = entry.notBefore, now < begin { throw .notYet(document, kid, begin, now: now) }
        if let end = entry.notAfter, now >= end { throw .expired(document, kid, end, now: now) }
        var changed = self
        for index in entries.indices {
            if entries[index].kid == kid { changed.entries[index].state = .active }
            if entries[index].kid == active { changed.entries[index].state = .verify }
        }
        changed.active = kid
        return changed
    }

    /// `kid` is listed. Errors: `state`.
    func retiring(
        _ kid: String, path: String
    ) throws(KeyringError) -> (KeyringDocument, KeyringEditor.Retirement) {
        var changed = self
        guard let index = entries.firstIndex(where: { $0.kid == kid }) else { return (self, .deleted) }
        switch entries[index].state {
        case .active:
            throw .state(
                "the key \(kid) of the ring \(quoted(path)) is active; make another one active first: vencejo key rotate --ring "
                    + "\(shellWord(path))")
        case .verify:
            changed.entries[index].state = .revoked
            return (changed, .revoked)
        case .revoked:
            changed.entries.remove(at: index)
            return (changed, .deleted)
        }
    }
}

/// What an operator does next to a ring.
public struct RotationStep: Equatable, Sendable {
    public enum Kind: String, Sendable { case rotate, activate, retire, delete }

    public let kind: Kind
    /// The key that it is about; `nil`: a new one.
    public let kid: String?
    /// What must have happened before.
    public let condition: String
    /// To be typed then.
    public let command: String
}

extension KeyringDocument {
    /// The next step of the rotation (`verify` everywhere, `active`, the longest lifetime, `revoked`, deleted): first what
    /// was revoked, then what waits to be activated, then what was active before.
    ///
    /// - Parameter path: the ring's folder, as the operator named it.
    public func nextStep(ring path: String) -> RotationStep {
        let ring = "--ring \(shellWord(path))"
        if let revoked = entries.first(where: { $0.state == .revoked }) {
            return RotationStep(
                kind: .delete, kid: revoked.kid,
                condition:
                    "when every process that uses the ring has loaded it with \(revoked.kid) revoked, and nothing "
                    + "needs the key, delete it" + (purpose == .audit ? " (what only it decrypts is lost then)" : ""),
                command: "vencejo key retire \(revoked.kid) \(ring)")
        }
        let activeIndex = entries.firstIndex { $0.kid == active } ?? 0
        if let waiting = entries[activeIndex...].first(where: { $0.state == .verify }) {
            return RotationStep(
                kind: .activate, kid: waiting.kid, condition: purpose.beforeActivation(waiting.kid),
                command: "vencejo key activate \(waiting.kid) \(ring)")
        }
        if let old = entries[..<activeIndex].first(where: { $0.state == .verify }) {
            return RotationStep(
                kind: .retire, kid: old.kid, condition: purpose.beforeRetirement(old.kid, active: active),
                command: "vencejo key retire \(old.kid) \(ring)")
        }
        let end = self[active]?.notAfter.map { "before \($0), when \(active) ends" } ?? "when \(active) is due"
        return RotationStep(
            kind: .rotate, kid: nil, condition: "no rotation is under way; \(end), begin one",
            command: "vencejo key rotate \(ring)" + (purpose.isSecret ? "" : " --from FILE"))
    }
}

extension KeyPurpose {
    fileprivate func beforeActivation(_ kid: String) -> String {
        switch self {
        case .checkpoint:
            "when the public key of \(kid) is known wherever checkpoints are verified (vencejo key list --origin), and every "
                + "audit agent has loaded the ring"
        case .sign:
            "when \(kid) is in the verify ring of every server (there: vencejo key generate --purpose verify --kid \(kid) "
                + "--from FILE)"
        case .verify: "when every server has loaded the ring, activate \(kid) in the client's sign ring, and here"
        case .artifact: "when every server that opens sealed models has loaded the ring"
        default: "when every process that uses the ring has loaded it with \(kid)"
        }
    }

    /// The longest lifetime of what was made with a key.
    fileprivate func beforeRetirement(_ kid: String, active: String) -> String {
        switch self {
        case .audit: "when no segment that was written with \(kid) has to be read any more (retention)"
        case .subjectStore:
            "when every audit agent has loaded the ring, and so has written its file of payload keys anew"
        case .checkpoint: "when every audit agent has loaded the ring, and so signs with \(active)"
        case .subjectIndex: "when the payload keys that were filed under \(kid) are deleted (months of payload)"
        case .sign, .verify:
            "330 s (300 s of a signature's life, 30 s of clock skew) after the last client has begun to sign with \(active)"
        case .artifact: "when each sealed model is wrapped under \(active) as well"
        case .model: "when no model that was signed with \(kid) has to be loaded any more"
        }
    }
}

/// A word for a shell: as it stands, or in quotation marks.
func shellWord(_ text: String) -> String {
    let plain = Array("/._-+=:,@%".utf8)
    let isPlain = text.utf8.allSatisfy { byte in
        plain.contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    if isPlain && !text.isEmpty { return text }
    return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
