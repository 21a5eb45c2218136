// Enters: a record's plaintext, and where it stands. Leaves: its event, field by field.
internal import Cryptography
internal import Memory
internal import Protobuf

/// An entry that a report rests on.
struct EntryReference: Hashable, Sendable {
    let index: UInt64
    let leafHash: Digest
}

/// One record. A field that is absent, or of another wire type, has its default.
struct EventRecord: Sendable {
    enum Value: Sendable {
        case number(UInt64)
        case bytes([UInt8])
    }

    let entry: EntryReference
    /// Nanoseconds since 1970.
    let time: UInt64
    let kind: EventKind
    /// The server's instance and ring that it came from; `nil`: the agent made it.
    let source: (instance: UInt64, ring: UInt64)?
    private var fields: [(number: Int, value: Value)]

    /// `nil`: it is no record, or has no event that is known.
    init?(_ plaintext: [UInt8], _ entry: EntryReference) {
        var (time, source) = (UInt64(0), (instance: UInt64, ring: UInt64)?.none)
        var (kind, fields) = (EventKind?.none, [(number: Int, value: Value)]())
        let isRecord = ByteView.lending(plaintext) { view in
            do throws(WireError) {
                try Self.each(WireReader(view)) { (number, value, message) throws(WireError) in
                    if number == 1, case .number(let number) = value { time = number }
                    if number == 2, let message { source = try Self.source(message) }
                    guard let event = EventKind(rawValue: number), let message else { return }
                    if event != kind { (kind, fields) = (event, []) }
                    try Self.each(message) { (number, value, _) in fields.append((number, value)) }
                }
                return true
            } catch {
                return false
            }
        }
        guard isRecord, let kind else { return nil }
        (self.entry, self.time, self.kind, self.source, self.fields) = (entry, time, kind, source, fields)
    }

    /// The fields that `intent` has and this one lacks are taken from it: an outcome says no more than it must.
    func completed(by intent: EventRecord) -> EventRecord {
        var completed = self
        let own = Set(fields.map(\.number))
        completed.fields = intent.fields.filter { !own.contains($0.number) } + fields
        return completed
    }

    func number<Field: EventField>(_ field: Field) -> UInt64 {
        guard Field.event == kind else { return 0 }
        return number(field.rawValue)
    }

    func bytes<Field: EventField>(_ field: Field) -> [UInt8] {
        guard Field.event == kind else { return [] }
        return all(field.rawValue).last ?? []
    }

    func text(_ field: some EventField) -> String { String(decoding: bytes(field), as: UTF8.self) }
    func flag(_ field: some EventField) -> Bool { number(field) != 0 }

    /// Each element of a repeated field.
    func elements<Field: EventField>(_ field: Field) -> [[UInt8]] {
        guard Field.event == kind else { return [] }
        return all(field.rawValue)
    }

    private func number(_ field: Int) -> UInt64 {
        for case (field, .number(let number)) in fields.reversed() { return number }
        return 0
    }

    private func all(_ field: Int) -> [[UInt8]] {
        fields.compactMap { number, value in
            guard number == field, case .bytes(let bytes) = value else { return nil }
            return bytes
        }
    }

    private static func source(_ message: WireReader) throws(WireError) -> (instance: UInt64, ring: UInt64) {
        var source = (instance: UInt64(0), ring: UInt64(0))
        try each(message) { (number, value, _) in
            guard case .number(let value) = value else { return }
            if number == 1 { source.instance = value }
            if number == 2 { source.ring = value }
        }
        return source
    }

    /// Calls `body` with each field's number and value, and the value as a message where it may be one.
    static func each(
        _ message: WireReader, _ body: (Int, Value, WireReader?) throws(WireError) -> Void
    ) throws(WireError) {
        var reader = message
        while let field = try reader.next() {
            switch field.type {
            case .varint: try body(field.number, .number(field.unsigned()), nil)
            case .fixed64:
                try body(field.number, .number(field.fixedElements(8).littleEndian(at: 0, as: UInt64.self)), nil)
            case .bytes: try body(field.number, .bytes(field.bytes().array), field.message())
            case .fixed32: continue
            }
        }
    }
}
