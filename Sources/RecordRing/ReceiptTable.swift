// Enters: acknowledgements of one ring. Leaves: through which record all is durable, and a record's index for its receipt.
public import Memory

/// What an agent acknowledged of one ring: the last 64 batches. One thread uses it; nothing is allocated.
public struct ReceiptTable: Sendable {
    private var batches = InlineArray<64, Acknowledgement>(
        repeating: Acknowledgement(ring: 0, count: 0, sequence: 0, index: 0))
    private var newest = 0
    private var logID: AuditLogID?
    /// Entries that the log has at least.
    private var size: UInt64 = 0
    /// All records up to this one are durable.
    public private(set) var sequence: UInt64 = 0

    public init() {}

    /// An agent has come. One whose log is shorter than a receipt that was given is refused.
    public mutating func begin(_ hello: AgentHello) throws(AcknowledgementError) {
        if hello.logID == logID, hello.size < size { throw .rolledBack(size: hello.size, index: size - 1) }
        if hello.logID != logID { forget() }
        logID = hello.logID
        size = hello.size
    }

    /// Indexes of another log are none of this one.
    private mutating func forget() {
        for place in 0..<batches.count { batches[place] = Acknowledgement(ring: 0, count: 0, sequence: 0, index: 0) }
    }

    /// A batch is durable. Records between the last one and its first were acknowledged by no packet (the agent was started
    /// again): they are durable too, and have no receipt.
    ///
    /// - Parameter written: the last sequence that the ring's writer wrote.
    public mutating func add(_ one: Acknowledgement, written: UInt64) throws(AcknowledgementError) {
        guard one.isPossible else { throw .count(one) }
        guard one.sequence <= written, one.sequence - UInt64(one.count) >= sequence else {
            throw .sequence(one, after: sequence, written: written)
        }
        guard one.index - (UInt64(one.count) - 1) >= size, one.index < .max else { throw .index(one, size: size) }
        newest = (newest + 1) % batches.count
        batches[newest] = one
        sequence = one.sequence
        size = one.index + 1
    }

    /// The record's entry in the log. `nil`: it is not durable, or its batch is not among the last 64.
    public func index(of sequence: UInt64) -> UInt64? {
        guard sequence <= self.sequence else { return nil }
        for age in 0..<batches.count {
            let batch = batches[(newest + batches.count - age) % batches.count]
            // The batches behind this one are older still.
            guard sequence <= batch.sequence else { return nil }
            let before = batch.sequence - sequence
            if before < UInt64(batch.count) { return batch.index - before }
        }
        return nil
    }

    /// The trailer `vencejo-audit` of a record's answer: `<log_id>/<index>`. `nil`: as `index`.
    public func receipt(of sequence: UInt64, in arena: inout Arena) throws(ArenaFull) -> ByteView? {
        guard let logID, let index = index(of: sequence) else { return nil }
        return try Self.text(logID, index, in: &arena)
    }

    private static func text(_ logID: AuditLogID, _ index: UInt64, in arena: inout Arena) throws(ArenaFull) -> ByteView
    {
        var divisor: UInt64 = 1
        while index / divisor >= 10 { divisor *= 10 }
        do throws(ArenaWriteError<Never>) {
            // 32 digits, a slash, at most 20 digits.
            return try arena.write(53) { span in
                hexadecimal(logID.high, &span)
                hexadecimal(logID.low, &span)
                span.append(UInt8(ascii: "/"))
                while divisor > 0 {
                    span.append(UInt8(ascii: "0") + UInt8(index / divisor % 10))
                    divisor /= 10
                }
            }
        } catch {
            switch error {
            case .full(let full): throw full
            }
        }
    }

    private static func hexadecimal(_ number: UInt64, _ span: inout OutputRawSpan) {
        for place in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * place) & 15)
            span.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
