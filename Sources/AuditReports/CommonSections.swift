// Enters: nothing. Leaves: the sections that every report ends in.

extension SectionDescription {
    /// - Parameter clockMicrosecondsMax: beyond which a clock's record gets a row; `nil`: the regime does not say.
    static func common(clockMicrosecondsMax: UInt64?) -> [SectionDescription] {
        [
            SectionDescription(
                name: "gaps", title: "Gaps", note: "Calls that the policy let go unrecorded.", topics: [.gap],
                columns: [
                    .from, .until, .text("kind", GapField.kind), .text("reason", GapField.reason),
                    .number("count", GapField.count),
                ]),
            SectionDescription(
                name: "withheld", title: "Withheld answers",
                note: "Answers that did not leave, for their records were not durable in time.", topics: [.withheld],
                columns: [
                    .time, Column("instance") { .hexadecimal($0.record.source.map { bytes($0.instance) } ?? []) },
                    Column("ring") { $0.record.source.map { .number($0.ring) } ?? .none },
                    .number("sequence", WithheldField.sequence),
                ]),
            SectionDescription(
                name: "refused", title: "Refused",
                note: "Handshakes and calls that failed authentication, counted by reason and network.",
                topics: [.refused],
                columns: [
                    .from, .until, .text("reason", RefusedField.reason), .text("network", RefusedField.network),
                    .text("listener", RefusedField.listener), .number("count", RefusedField.count),
                ]),
            SectionDescription(
                name: "alarms", title: "Alarms", topics: [.alarm],
                columns: [.time, .text("name", AlarmField.name), .text("text", AlarmField.text)]),
            SectionDescription(
                name: "outages", title: "Outages of the server",
                note: "From the record of a server's end to that of the next one's start.", topics: [.outage],
                related: "start", columns: [.from, .until, .length, Column("cause") { .text($0.cause) }]),
            SectionDescription(
                name: "lives", title: "Lives of the agent", topics: [.log],
                columns: [
                    .time,
                    .words("reason", LogField.reason, ["unknown", "new", "opened", "rolled back", "damaged"]),
                    .text("agent", LogField.agent), .hexadecimal("previous_log", LogField.previousLog),
                    .number("previous_size", LogField.previousSize),
                    .hexadecimal("previous_root", LogField.previousRoot),
                ]),
            SectionDescription(
                name: "clock", title: "Clock that stepped, was not synchronised or was too far off",
                topics: [.clock],
                columns: [
                    .time, .number("max_error_microseconds", ClockField.maxError),
                    .number("est_error_microseconds", ClockField.estError),
                    Column("step_nanoseconds") { .nanoseconds($0.record.number(ClockField.step)) },
                    .flag("stepped_back", ClockField.steppedBack),
                    Column("synchronised") { .flag($0.record.isSynchronised) },
                ],
                accepts: { item in
                    item.record.hasStep || !item.record.isSynchronised
                        || item.record.number(ClockField.maxError) > clockMicrosecondsMax ?? .max
                }),
            SectionDescription(
                name: "retention", title: "Retention",
                topics: [.retention],
                columns: [
                    .time, .number("oldest_segment", RetentionField.oldestSeq),
                    .number("oldest_entry", RetentionField.oldestEntry),
                    .number("oldest_payload_month", RetentionField.oldestPeriod),
                    .number("oldest_log", RetentionField.oldestLog), .text("principal", RetentionField.principal),
                    .text("policy", RetentionField.policy),
                ]),
        ]
    }

    private static func bytes(_ instance: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: instance >> UInt64(56 - 8 * $0)) }
    }
}

extension EventRecord {
    /// STA_UNSYNC of adjtimex(2).
    private static let unsynchronised: UInt64 = 0x40

    var isSynchronised: Bool { number(ClockField.status) & Self.unsynchronised == 0 }
    var hasStep: Bool { number(ClockField.step) > 0 || flag(ClockField.steppedBack) }
}
