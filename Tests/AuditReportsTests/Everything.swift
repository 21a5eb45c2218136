// Enters: nothing. Leaves: a log with every kind of record.
import Audit
import Memory

extension SampleLog {
    /// A log with every kind of record, in two segments.
    static func everything() throws -> SampleLog {
        var log = try SampleLog()
        try log.event(9) {
            $0.number(1, 1)
            $0.text(2, "vencejo-audit 1.0")
        }
        try log.clock(error: 85)
        try log.server(1, phase: 1)
        try log.order("swap", phase: 2, reason: "ticket 17", maker: "trainer@example.org")
        try log.call("iris", 7, key: 0)
        try log.call("iris", 7, key: 1, clockError: 50)
        try log.call("iris", 7, key: 1, verdict: 5)
        try log.call("spam|<filter>", 2, key: 0, clockError: 1500)
        try log.refusals()
        try log.orders()
        try log.clock(error: 2000, status: 0x40, step: 5_000_000)
        try log.call("iris", 7, key: 0)
        try log.server(1, phase: 2)
        try log.server(1, phase: 4)
        try log.agentRecords()
        log.roll(.size)
        try log.server(2, phase: 1)
        try log.clock(error: 90)
        try log.call("iris", 8, key: 0, clockError: 90)
        try log.server(2, phase: 3)
        log.roll(.end)
        return log
    }

    private mutating func refusals() throws {
        let now = now
        for (field, reason) in [(6, "ring full"), (5, "signature"), (5, "key")] {
            try event(field) {
                if field == 6 { $0.text(1, "predict") } else { $0.text(3, "0.0.0.0:8001") }
                if field == 6 { $0.text(2, reason) } else { $0.text(1, reason) }
                if field == 5 { $0.text(2, "203.0.113.0/24") }
                $0.number(field == 6 ? 3 : 4, 4711)
                $0.fixed64(field == 6 ? 4 : 5, now - 2_000_000_000)
                $0.fixed64(field == 6 ? 5 : 6, now - 500_000_000)
            }
        }
        try event(7) { $0.number(1, 99) }
    }

    private mutating func orders() throws {
        try order("load", phase: 3, error: "no such version")
        try order("shadow", phase: 2)
        try order("abort", phase: 2, reason: "error ratio", isAutomatic: true)
        try order("unload", phase: 2, reason: "emergency: wrong prices")
        try order("swap", phase: 2, principal: "trainer@example.org", maker: "trainer@example.org")
        try order("access", phase: 2, principal: "root", files: true)
        try order("rollback", phase: nil)
    }

    private mutating func agentRecords() throws {
        try event(11) {
            $0.text(1, "audit")
            $0.text(2, "audit-2")
            $0.text(3, "activated")
        }
        for phase in [1, 2] {
            try event(12) {
                $0.number(1, phase)
                $0.data(2, TestKeys.pseudonym("bert"))
                $0.number(3, phase - 1)
                $0.text(4, "dpo")
                $0.text(5, "request 2026-31")
            }
        }
        try event(13) {
            $0.data(2, TestKeys.pseudonym("anna"))
            $0.text(3, "dpo")
            $0.text(4, "case 4")
        }
        try event(14) {
            $0.number(3, 202606)
            $0.text(4, "agent")
            $0.text(5, "payloads 1 month")
        }
        for (name, text) in [("drift", "iris: petal width\nhas moved"), ("ring", "record 7 is torn")] {
            try event(15) {
                $0.text(1, name)
                $0.text(2, text)
            }
        }
    }
}
