// Enters: a call and the words of its credit. Leaves: its words in memory, or a call that has fewer.
internal import Memory

extension RingCall {
    /// What the record has, if nothing is left out.
    @inline(__always)
    var words: Int {
        RecordLayout.callWords &+ RecordLayout.words(method.count) &+ RecordLayout.words(principal.count)
            &+ RecordLayout.words(credential.count) &+ RecordLayout.words(reason.count)
            &+ RecordLayout.words(asked.count) &+ RecordLayout.words(model.count)
            &+ RecordLayout.words(artifact.count) &+ RecordLayout.words(requestID.count)
            &+ RecordLayout.words(peer.count) &+ RecordLayout.words(subject.count)
            &+ RecordLayout.words(labels.bytes.count) &+ RecordLayout.words(request.bytes.count)
            &+ RecordLayout.words(answer.bytes.count)
    }

    /// Nothing is longer than its bound. `bounded` makes it so.
    @inline(__always)
    var isBounded: Bool {
        method.count <= RecordLayout.methodBytesMax && principal.count <= RecordLayout.principalBytesMax
            && credential.count <= RecordLayout.credentialBytesMax && reason.count <= RecordLayout.reasonBytesMax
            && asked.count <= RecordLayout.askedBytesMax && model.count <= RecordLayout.modelBytesMax
            && artifact.count <= RecordLayout.digestBytes && requestID.count <= RecordLayout.requestIDBytesMax
            && peer.count <= RecordLayout.peerBytesMax && subject.count <= RecordLayout.subjectBytesMax
            && request.bytes.count <= RecordLayout.bodyBytesMax && answer.bytes.count <= RecordLayout.bodyBytesMax
    }

    /// The same call with texts cut to their bounds, and without what `words` have no room for: the answer first, then the
    /// request, then the labels. A call without them always has room.
    @inline(never)
    borrowing func bounded(toFit words: Int) -> RingCall {
        var call = copy self
        call.cut(\.method, RecordLayout.methodBytesMax)
        call.cut(\.principal, RecordLayout.principalBytesMax)
        call.cut(\.credential, RecordLayout.credentialBytesMax)
        call.cut(\.reason, RecordLayout.reasonBytesMax)
        call.cut(\.asked, RecordLayout.askedBytesMax)
        call.cut(\.model, RecordLayout.modelBytesMax)
        call.cut(\.requestID, RecordLayout.requestIDBytesMax)
        call.cut(\.peer, RecordLayout.peerBytesMax)
        call.cut(\.subject, RecordLayout.subjectBytesMax)
        if call.request.bytes.count > RecordLayout.bodyBytesMax { call.request = .leftOut }
        if call.answer.bytes.count > RecordLayout.bodyBytesMax { call.answer = .leftOut }
        if call.words > words, !call.answer.bytes.isEmpty { call.answer = .leftOut }
        if call.words > words, !call.request.bytes.isEmpty { call.request = .leftOut }
        if call.words > words {
            call.labels = .empty
            call.labelsWereLeftOut = true
        }
        return call
    }

    private mutating func cut(_ text: WritableKeyPath<RingCall, ByteView>, _ bytes: Int) {
        let whole = self[keyPath: text]
        guard whole.count > bytes else { return }
        var end = bytes
        while end > 0, whole[end] & 0xc0 == 0x80 { end -= 1 }
        self[keyPath: text] = whole.prefix(end)
        isCut = true
    }
}

extension RecordSlot {
    /// Words 4 to the last. The call is bounded, and the record has room for it.
    @inline(__always)
    mutating func put(_ call: borrowing RingCall) {
        let bytes = call.artifact.count
        precondition(bytes == 0 || bytes == RecordLayout.digestBytes, "an artifact's SHA-256 of \(bytes) bytes")
        put(UInt64(bitPattern: call.version), call.epoch, call.readNanoseconds, call.queueNanoseconds)
        put(call.runNanoseconds, call.totalNanoseconds, call.requestBytes, call.answerBytes)
        put(call.batch, call.exposure, call.routingKey, call.traceHigh)
        put(call.traceLow)
        put(Self.codes(call))
        put(call.rows, call.batchRows)
        put(call.batchFirst, call.imputed)
        put(call.clipped, call.outliers)
        put(call.sharePPM, call.message)
        put(call.clockErrorMicroseconds, UInt32(truncatingIfNeeded: call.labels.count))
        put(
            UInt32(truncatingIfNeeded: call.request.bytes.count),
            UInt32(truncatingIfNeeded: call.answer.bytes.count))
        put(Self.counts(call.method, call.principal, call.credential, call.reason))
        put(Self.counts(call.asked, call.model, call.artifact, call.requestID))
        put(Self.counts(call.peer, call.subject, call.labels.bytes, .empty))
        put(call.method)
        put(call.principal)
        put(call.credential)
        put(call.reason)
        put(call.asked)
        put(call.model)
        put(call.artifact)
        put(call.requestID)
        put(call.peer)
        put(call.subject)
        put(call.labels.bytes)
        put(call.request.bytes)
        put(call.answer.bytes)
    }

    @inline(__always)
    private static func codes(_ call: borrowing RingCall) -> UInt64 {
        let low =
            UInt64(call.auth) | UInt64(call.verdict) << 8 | UInt64(call.status) << 16 | UInt64(call.slot) << 24
        let high = UInt64(call.cache) << 32 | UInt64(call.fallback) << 40 | UInt64(call.draw) << 48
        let bits =
            call.request.code | call.answer.code << 2 | (call.isCut ? 16 : 0) | (call.labelsWereLeftOut ? 32 : 0)
        return low | high | bits << 56
    }

    /// Each is within its bound, which is below 2¹⁶.
    @inline(__always)
    private static func counts(_ a: ByteView, _ b: ByteView, _ c: ByteView, _ d: ByteView) -> UInt64 {
        UInt64(truncatingIfNeeded: a.count) | UInt64(truncatingIfNeeded: b.count) << 16
            | UInt64(truncatingIfNeeded: c.count) << 32 | UInt64(truncatingIfNeeded: d.count) << 48
    }
}
