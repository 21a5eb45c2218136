// Enters: the bytes of an order's change, or of an opened payload. Leaves: its fields.
internal import Memory
internal import Protobuf

/// What an order did to one model.
struct ModelChange: Hashable, Sendable {
    var model = ""
    /// The version that was live before; 0: none.
    var from: Int64 = 0
    var to: Int64 = 0
    var artifact: [UInt8] = []
    /// As the artifact's manifest or signature names it.
    var maker = ""

    /// What cannot be read keeps its default.
    init(_ bytes: [UInt8]) {
        for (number, value) in messageFields(bytes) {
            switch (number, value) {
            case (1, .bytes(let text)): model = String(decoding: text, as: UTF8.self)
            case (2, .number(let version)): from = Int64(bitPattern: version)
            case (3, .number(let version)): to = Int64(bitPattern: version)
            case (4, .bytes(let digest)): artifact = digest
            case (5, .bytes(let text)): maker = String(decoding: text, as: UTF8.self)
            default: continue
            }
        }
    }
}

/// What a record hides, opened.
struct OpenedPayload: Hashable, Sendable {
    var requestID = ""
    var labels: [String: String] = [:]
    var peer = ""
    var findings: [String] = []
    var request: [UInt8] = []
    var answer: [UInt8] = []

    init(_ bytes: [UInt8]) {
        for case (let number, .bytes(let value)) in messageFields(bytes) {
            let text = String(decoding: value, as: UTF8.self)
            switch number {
            case 2: requestID = text
            case 3:
                var (key, label) = ("", "")
                for case (let part, .bytes(let value)) in messageFields(value) {
                    if part == 1 { key = String(decoding: value, as: UTF8.self) }
                    if part == 2 { label = String(decoding: value, as: UTF8.self) }
                }
                labels[key] = label
            case 4: peer = text
            case 6: findings.append(text)
            case 7: request = value
            case 8: answer = value
            default: continue
            }
        }
    }
}

/// The fields up to where the message is malformed.
private func messageFields(_ bytes: [UInt8]) -> [(Int, EventRecord.Value)] {
    var fields: [(Int, EventRecord.Value)] = []
    ByteView.lending(bytes) { view in
        do throws(WireError) {
            try EventRecord.each(WireReader(view)) { (number, value, _) in fields.append((number, value)) }
        } catch {}
    }
    return fields
}
