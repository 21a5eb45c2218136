// Enters: the bytes of one record, unchecked. Leaves: what they say, as views of them.
public import Memory

/// Where a record ends, and its sequence: what an agent makes durable.
public struct RecordPlace: Equatable, Sendable, BitwiseCopyable {
    /// Words ever written up to the record's end.
    public let position: UInt64
    /// Of the last record before it; all bits one: it was skipped, and nothing says so.
    public let sequence: UInt64

    static let unknown = UInt64.max
}

/// A record as it was read. Its views are good until its reader is asked for the next one, or is gone.
public struct RingRecord: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        case call(RingCall)
        /// `payload`: the event's protobuf message, unchecked.
        case event(RecordKind, startUnixNanoseconds: UInt64, payload: ByteView)
        /// The record is whole and says what no writer of this layout says. The ones behind it can be read.
        case unreadable
    }

    /// From 1 in each ring.
    public let sequence: UInt64
    public let place: RecordPlace
    /// The whole record, its head included.
    let view: ByteView

    /// Of the ring.
    public var bytes: Int { view.count }

    /// What it says, decoded anew each time.
    public var content: Content { Content(decoding: view) }
}

extension RingRecord.Content {
    /// `bytes`: of the whole record, checked by its length and its checksum only.
    init(decoding bytes: ByteView) {
        guard bytes.count >= 8 * RecordLayout.headerWords,
            let kind = RecordKind(rawValue: UInt8(truncatingIfNeeded: bytes.word(0) >> 32)), bytes.word(0) >> 40 == 0
        else {
            self = .unreadable
            return
        }
        if kind == .call {
            var call = RingCall()
            self = call.decode(bytes) ? .call(call) : .unreadable
        } else {
            self = Self.event(kind, bytes) ?? .unreadable
        }
    }

    private static func event(_ kind: RecordKind, _ bytes: ByteView) -> Self? {
        guard bytes.count >= 8 * RecordLayout.eventWords else { return nil }
        let count = bytes.word(RecordLayout.headerWords)
        let rest = bytes.dropFirst(8 * RecordLayout.eventWords)
        guard count <= UInt64(RecordLayout.eventBytesMax), rest.count == 8 * RecordLayout.words(Int(count)) else {
            return nil
        }
        return .event(kind, startUnixNanoseconds: bytes.word(3), payload: rest.prefix(Int(count)))
    }
}

extension RingCall {
    /// - Returns: whether its parts are as long as the record.
    fileprivate mutating func decode(_ bytes: ByteView) -> Bool {
        guard bytes.count >= 8 * RecordLayout.callWords else { return false }
        startUnixNanoseconds = bytes.word(3)
        version = Int64(bitPattern: bytes.word(4))
        epoch = bytes.word(5)
        readNanoseconds = bytes.word(6)
        queueNanoseconds = bytes.word(7)
        runNanoseconds = bytes.word(8)
        totalNanoseconds = bytes.word(9)
        requestBytes = bytes.word(10)
        answerBytes = bytes.word(11)
        batch = bytes.word(12)
        exposure = bytes.word(13)
        routingKey = bytes.word(14)
        traceHigh = bytes.word(15)
        traceLow = bytes.word(16)
        let codes = bytes.word(17)
        auth = UInt8(truncatingIfNeeded: codes)
        verdict = UInt8(truncatingIfNeeded: codes >> 8)
        status = UInt8(truncatingIfNeeded: codes >> 16)
        slot = UInt8(truncatingIfNeeded: codes >> 24)
        cache = UInt8(truncatingIfNeeded: codes >> 32)
        fallback = UInt8(truncatingIfNeeded: codes >> 40)
        draw = UInt8(truncatingIfNeeded: codes >> 48)
        isCut = codes >> 60 & 1 == 1
        labelsWereLeftOut = codes >> 61 & 1 == 1
        (rows, batchRows) = bytes.halves(18)
        (batchFirst, imputed) = bytes.halves(19)
        (clipped, outliers) = bytes.halves(20)
        (sharePPM, message) = bytes.halves(21)
        clockErrorMicroseconds = bytes.halves(22).0
        return decodeTexts(bytes)
    }

    /// From word 22 on: whatever has a length.
    private mutating func decodeTexts(_ bytes: ByteView) -> Bool {
        var rest = bytes.dropFirst(8 * RecordLayout.callWords)
        var isWhole = bytes.word(17) >> 62 == 0 && bytes.word(26) >> 48 == 0
        func take(_ count: Int) -> ByteView {
            let padded = 8 * RecordLayout.words(count)
            guard isWhole, padded <= rest.count else {
                isWhole = false
                return .empty
            }
            let taken = rest.prefix(count)
            rest = rest.dropFirst(padded)
            return taken
        }
        func text(_ word: Int, _ place: UInt64) -> ByteView { take(Int(bytes.word(word) >> (16 * place) & 0xffff)) }
        method = text(24, 0)
        principal = text(24, 1)
        credential = text(24, 2)
        reason = text(24, 3)
        asked = text(25, 0)
        model = text(25, 1)
        artifact = text(25, 2)
        requestID = text(25, 3)
        peer = text(26, 0)
        subject = text(26, 1)
        let labels = text(26, 2)
        let counts = bytes.halves(23)
        let requestBytes = take(Int(counts.0))
        let answerBytes = take(Int(counts.1))
        let codes = bytes.word(17) >> 56
        guard isWhole, rest.isEmpty, artifact.isEmpty || artifact.count == RecordLayout.digestBytes,
            let labels = RecordLabels(checking: labels, count: Int(bytes.halves(22).1)),
            let request = RecordBody(code: codes & 3, bytes: requestBytes),
            let answer = RecordBody(code: codes >> 2 & 3, bytes: answerBytes)
        else { return false }
        (self.labels, self.request, self.answer) = (labels, request, answer)
        return true
    }
}

extension ByteView {
    /// A word of a record. Its machine is the writer's.
    fileprivate func word(_ index: Int) -> UInt64 { littleEndian(at: 8 * index) }

    fileprivate func halves(_ index: Int) -> (UInt32, UInt32) {
        (UInt32(truncatingIfNeeded: word(index)), UInt32(truncatingIfNeeded: word(index) >> 32))
    }
}
