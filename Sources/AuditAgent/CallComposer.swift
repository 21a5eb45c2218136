// Enters: calls and events as a ring has them. Leaves: Records in a batch, whole but for what depends on their place in the log.
internal import Audit
internal import Cryptography
internal import Memory
internal import RecordRing

/// Which messages payloads hold beside what is always in them.
public enum BodyCopies: String, CaseIterable, Sendable {
    case none, request, answer, both
}

/// Turns records of rings into Records (TRUST 4.1). A ring is foreign bytes: nothing that it says traps.
struct CallComposer {
    private let copiesRequest: Bool
    private let copiesAnswer: Bool
    /// The disk is too full for copies.
    var isWithoutCopies = false
    /// How far the machine's clock may be off, as its kernel says.
    var clockErrorMicroseconds: UInt64 = 0
    private var random: RandomPool
    private var subjects: SubjectCache
    private var month = PayloadMonth()
    private var batchNumber: UInt64 = 0
    /// Message Call; what a digest is made of; the labels.
    private var message: [UInt8] = []
    private var hashed: [UInt8] = []
    private var labels: [RecordLabel] = []

    init(copies: BodyCopies, indexKey: Secret, random: @escaping (Int) -> [UInt8]) {
        copiesRequest = copies == .request || copies == .both
        copiesAnswer = copies == .answer || copies == .both
        self.random = RandomPool(random)
        subjects = SubjectCache(indexKey: indexKey)
    }

    mutating func change(indexKey: Secret) { subjects = SubjectCache(indexKey: indexKey) }

    mutating func begin() { batchNumber += 1 }

    mutating func blind() -> [UInt8] { random.next(32) }

    mutating func add(
        _ call: RingCall, _ source: RecordSource, to batch: Batch, from keys: inout some PayloadKeySource, now: UInt64
    ) {
        let month = month.of(call.startUnixNanoseconds, now: now)
        let key = subjects.key(call.subject, month: month, batch, number: batchNumber, from: &keys)
        let payload = addPayload(call, to: batch)
        // Behind the salt's head.
        write(call, salt: payload.lowerBound + 2..<payload.lowerBound + 34, of: batch)
        let start = batch.bytes.count
        let sourceBytes = source.bytes
        batch.bytes.append(addingCapacity: 64) { room in
            room.fixed64(1, call.startUnixNanoseconds)
            room.head(2, bytes: sourceBytes)
            room.fixed64(1, source.instance)
            room.number(2, UInt64(source.ring))
            room.number(3, source.sequence)
            room.head(3, bytes: message.count)
        }
        batch.bytes += message
        batch.append(.call(envelope: start..<batch.bytes.count, payload: payload, key: key))
    }

    /// An event whose message the server made. False: it is none of its kind, and nothing was added.
    mutating func add(
        _ kind: RecordKind, _ event: ByteView, time: UInt64, _ source: RecordSource, to batch: Batch
    ) -> Bool {
        var record = RecordWriter()
        record.fixed64(1, time)
        record.message(2) { source.write(to: &$0) }
        record.delimited(Int(kind.rawValue), event.array)
        record.data(31, blind())
        // It parses as what the schema says, or it does not become a record.
        guard RecordJSON.record(record.bytes) != nil else { return false }
        batch.append(record.bytes, isUrgent: kind == .admin)
        return true
    }

    // MARK: Payload

    private mutating func addPayload(_ call: RingCall, to batch: Batch) -> Range<Int> {
        let start = batch.bytes.count
        batch.bytes.head(1, bytes: 32)
        random.append(32, to: &batch.bytes)
        batch.bytes.text(2, call.requestID)
        if call.labels.count > 0 { addLabels(call.labels, to: &batch.bytes) }
        batch.bytes.text(4, call.peer)
        batch.bytes.append(addingCapacity: 10) { $0.fixed64(5, call.routingKey) }
        if copiesRequest, !isWithoutCopies, case .copy(let body) = call.request { batch.bytes.data(7, body) }
        if copiesAnswer, !isWithoutCopies, case .copy(let body) = call.answer { batch.bytes.data(8, body) }
        return start..<batch.bytes.count
    }

    /// Sorted by the bytes of their names; of those with the same name the last counts.
    private mutating func addLabels(_ found: RecordLabels, to bytes: inout [UInt8]) {
        labels.removeAll(keepingCapacity: true)
        for label in found {
            guard label.name.isUTF8 && label.value.isUTF8 else { return addRepaired(found, to: &bytes) }
            var place = labels.count
            while place > 0, precedes(label.name, labels[place - 1].name) { place -= 1 }
            if place > 0, labels[place - 1].name == label.name {
                labels[place - 1] = label
            } else {
                labels.insert(label, at: place)
            }
        }
        for label in labels {
            let (name, value) = (label.name, label.value)
            let nameBytes = name.isEmpty ? 0 : 1 + varintBytes(UInt64(name.count)) + name.count
            let valueBytes = value.isEmpty ? 0 : 1 + varintBytes(UInt64(value.count)) + value.count
            bytes.head(3, bytes: nameBytes + valueBytes)
            bytes.data(1, name)
            bytes.data(2, value)
        }
    }

    private func addRepaired(_ found: RecordLabels, to bytes: inout [UInt8]) {
        var entries: [String: String] = [:]
        for label in found { entries[label.name.text] = label.value.text }
        var writer = RecordWriter()
        writer.map(3, entries)
        bytes += writer.bytes
    }

    private func precedes(_ left: ByteView, _ right: ByteView) -> Bool {
        for index in 0..<min(left.count, right.count) where left[index] != right[index] {
            return left[index] < right[index]
        }
        return left.count < right.count
    }

    // MARK: Call

    private mutating func write(_ call: RingCall, salt: Range<Int>, of batch: Batch) {
        let (requestDigest, answerDigest) = digests(call, salt: salt, of: batch)
        message.removeAll(keepingCapacity: true)
        message.text(1, call.method)
        message.text(2, call.principal)
        message.append(addingCapacity: 12) { $0.number(3, UInt64(call.auth)) }
        message.text(4, call.credential)
        message.append(addingCapacity: 24) { room in
            room.number(5, UInt64(call.verdict))
            room.number(6, UInt64(call.status))
        }
        message.text(7, call.reason)
        message.text(8, call.asked)
        message.text(9, call.model)
        message.append(addingCapacity: 24) { room in
            room.number(10, UInt64(bitPattern: call.version))
            room.number(11, UInt64(call.slot))
        }
        message.data(12, call.artifact)
        message.append(addingCapacity: 7 * 12) { Self.numbers(call, to: &$0) }
        add(20, requestDigest)
        add(21, answerDigest)
        message.append(addingCapacity: 15 * 12) { Self.moreNumbers(call, to: &$0) }
        // The server does not ask its kernel, which is this agent's too.
        let error = call.clockErrorMicroseconds == 0 ? clockErrorMicroseconds : UInt64(call.clockErrorMicroseconds)
        message.append(addingCapacity: 12) { $0.number(36, error) }
    }

    /// At most 7 × 12 bytes: a field from 16 on has a head of two.
    private static func numbers(_ call: RingCall, to room: inout OutputSpan<UInt8>) {
        room.number(13, call.epoch)
        room.number(14, call.readNanoseconds)
        room.number(15, call.queueNanoseconds)
        room.number(16, call.runNanoseconds)
        room.number(17, call.totalNanoseconds)
        room.number(18, call.requestBytes)
        room.number(19, call.answerBytes)
    }

    /// At most 15 × 12 bytes; the trace, of 18, counts as two of them.
    private static func moreNumbers(_ call: RingCall, to room: inout OutputSpan<UInt8>) {
        room.number(22, UInt64(call.rows))
        room.fixed64(23, call.batch)
        room.number(24, UInt64(call.batchRows))
        room.number(25, UInt64(call.batchFirst))
        room.number(26, UInt64(call.imputed))
        room.number(27, UInt64(call.clipped))
        room.number(28, UInt64(call.outliers))
        room.number(29, UInt64(call.cache))
        room.number(30, UInt64(call.fallback))
        room.number(31, UInt64(call.draw))
        room.number(32, UInt64(call.sharePPM))
        room.number(33, call.exposure)
        room.number(34, UInt64(call.message))
        if call.traceHigh | call.traceLow != 0 {
            room.head(35, bytes: 16)
            for word in [call.traceHigh, call.traceLow] {
                for shift in stride(from: 56 as UInt64, through: 0, by: -8) {
                    room.append(UInt8(truncatingIfNeeded: word >> shift))
                }
            }
        }
    }

    private mutating func add(_ field: UInt64, _ code: InlineArray<32, UInt8>?) {
        guard let code else { return }
        message.head(field, bytes: 32)
        unsafe code.span.withUnsafeBytes { unsafe message.append(contentsOf: $0) }
    }

    /// HMAC-SHA-256(salt, 1 || SHA-256(request)) and (salt, 2 || SHA-256(answer)); `nil`: there is no body, or it was not kept.
    private mutating func digests(
        _ call: RingCall, salt: Range<Int>, of batch: Batch
    ) -> (request: InlineArray<32, UInt8>?, answer: InlineArray<32, UInt8>?) {
        hashed.removeAll(keepingCapacity: true)
        let hasRequest = addDigest(call.request, behind: 1)
        let hasAnswer = addDigest(call.answer, behind: 2)
        let bytes = batch.bytes
        guard hasRequest && hasAnswer else {
            guard hasRequest || hasAnswer else { return (nil, nil) }
            let code = HMACSHA256.code(of: hashed.raw, key: bytes.raw.extracting(salt))
            return hasRequest ? (code, nil) : (nil, code)
        }
        let both = hashed.raw
        return HMACSHA256.codes(
            of: both.extracting(0..<33), both.extracting(33..<66), key: bytes.raw.extracting(salt))
    }

    /// Adds 33 bytes to `hashed`, or none.
    private mutating func addDigest(_ body: RecordBody, behind first: UInt8) -> Bool {
        switch body {
        case .none, .leftOut: return false
        case .copy(let bytes):
            hashed.append(first)
            SHA256.digest(of: bytes).append(to: &hashed)
        case .digest(let digest):
            hashed.append(first)
            hashed.append(digest)
        }
        return true
    }
}
