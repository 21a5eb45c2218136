// Enters: nothing. Leaves: the tables of the five profiles.

extension ProfileDescription {
    static let mifid2 = ProfileDescription(
        regime: "MiFID II (Directive 2014/65/EU, Regulations (EU) 2017/565, 2017/574 and 2017/589)",
        retention: Retention(months: 60, words: "5 years"), clockMicrosecondsMax: 1000,
        clockHighFrequencyMicrosecondsMax: 100,
        sections: [
            .decisions(
                counters: [
                    .init(name: "with_input_digest") { !$0.record.bytes(CallField.requestDigest).isEmpty },
                    .init(name: "clock_outside") { $0.clock == .outside },
                ]),
            .decisionRows(more: [.number("clock_error_microseconds", CallField.clockError), .clock]),
            .orders("changes", "Changes of algorithms", EvidenceItem.Verb.changes, more: [.clock]),
            .orders("tests", "Tests of algorithms", EvidenceItem.Verb.tests, more: [.clock]),
            .orders("kill_switches", "Kill switches (unload, abort)", EvidenceItem.Verb.killSwitches, more: [.clock]),
        ])

    static let sox = ProfileDescription(
        regime: "SOX (Sarbanes-Oxley Act, sections 302, 404 and 802)",
        retention: Retention(months: 84, words: "7 years"),
        sections: [
            SectionDescription(
                name: "changes", title: "Changes, and by which operator",
                note: "separation: whether the maker of the artifact and the principal that put it live are two.",
                topics: [.admin], related: "intent",
                columns: [
                    .time, .verb, .result, .principal, .text("credential", AdminField.credential), .author, .reason,
                    .changes, .hexadecimal("before", AdminField.before), .hexadecimal("after", AdminField.after),
                    Column("separation") { $0.separation }, .automatic,
                ]),
            SectionDescription(
                name: "access", title: "Changes of access",
                note: "Keys, and orders that are not about models: files of access and configuration.",
                topics: [.keys, .admin], related: "intent",
                columns: [
                    .time, .text("purpose", KeysField.purpose), .text("kid", KeysField.kid),
                    Column("action") { .text($0.topic == .keys ? $0.record.text(KeysField.action) : $0.verb) },
                    .principal, .hexadecimal("before", AdminField.before), .hexadecimal("after", AdminField.after),
                ],
                accepts: { $0.topic == .keys || !EvidenceItem.Verb.models.contains($0.verb) }),
            SectionDescription(
                name: "failed", title: "Changes that failed or have no outcome", topics: [.admin], related: "intent",
                columns: Column.order, accepts: { !$0.isDone }),
            SectionDescription(
                name: "emergency", title: "Emergency changes",
                note: "Ways back (abort, rollback), a rollout's own verdicts, and orders whose reason says emergency.",
                topics: [.admin], related: "intent", columns: Column.order + [.automatic],
                accepts: { $0.isEmergency }),
        ])

    static let gdpr = ProfileDescription(
        regime: "GDPR (Regulation (EU) 2016/679, Articles 5, 15, 17, 18 and 22)", retention: nil,
        sections: [
            SectionDescription(
                name: "subject_records", title: "Records of the subject",
                note: "A record is found by its payload key: what was erased cannot be found any more.",
                topics: [.call], columns: Column.callDetail + [.payload], accepts: { $0.isSubject }),
            .decisions(title: "Automated decisions (Article 22)", counters: []),
            .decisionRows(more: []),
            SectionDescription(
                name: "erasures", title: "Erasures (Article 17)", topics: [.erasure],
                columns: [
                    .time, .words("phase", ErasureField.phase, ["unknown", "intent", "done", "refused"]),
                    .hexadecimal("subject", ErasureField.subject), .number("keys", ErasureField.keys),
                    .text("principal", ErasureField.principal), .text("reason", ErasureField.reason),
                ]),
            SectionDescription(
                name: "holds", title: "Holds (Articles 17(3) and 18)", topics: [.hold],
                columns: [
                    .time, .flag("lifted", HoldField.lifted), .hexadecimal("subject", HoldField.subject),
                    .text("principal", HoldField.principal), .text("reason", HoldField.reason),
                ]),
        ])

    static let aiAct = ProfileDescription(
        regime: "AI Act (Regulation (EU) 2024/1689, Articles 12, 14, 19, 26 and 73)",
        retention: Retention(months: 6, words: "6 months"),
        sections: [
            SectionDescription(
                name: "automatic_logs", title: "Automatic logs (Article 12)", topics: [.call], shape: .groups([]),
                related: "last", columns: [.model, .version, .verdict]),
            SectionDescription(
                name: "automatic_log_rows", title: "Automatic logs, each", topics: [.call], isDetail: true,
                columns: Column.callDetail),
            SectionDescription(
                name: "interventions", title: "Human interventions (Article 14: promote, abort, roll back)",
                topics: [.admin], related: "intent", columns: Column.order,
                accepts: { !$0.isAutomatic && EvidenceItem.Verb.interventions.contains($0.verb) }),
            SectionDescription(
                name: "incidents", title: "Drift and incidents (Articles 26(5) and 73)", topics: [.alarm],
                columns: [
                    .time,
                    Column("class") {
                        .text($0.record.text(AlarmField.name).lowercased().contains("drift") ? "drift" : "incident")
                    },
                    .text("name", AlarmField.name), .text("text", AlarmField.text),
                ]),
            SectionDescription(
                name: "versions", title: "Versions of models", topics: [.admin], related: "intent",
                columns: [.time, .verb, .result, .principal, .changes, .automatic], accepts: { !$0.changes.isEmpty }),
            SectionDescription(
                name: "servers", title: "Versions of the server", topics: [.server],
                columns: [
                    .time, .text("version", ServerField.version), .text("runtime", ServerField.runtime),
                    .texts("options", ServerField.options), .text("host", ServerField.host),
                ],
                accepts: { $0.record.number(ServerField.phase) == 1 }),
        ])

    static let basel = ProfileDescription(
        regime: "Basel III operational risk and BCBS 239", retention: Retention(months: 120, words: "10 years"),
        sections: [
            SectionDescription(
                name: "events", title: "Operational-risk events",
                note: "The loss of an event is the bank's to find. calls: those that the event itself counted.",
                topics: [.outage, .gap, .withheld, .admin, .refused], related: "related",
                columns: [
                    Column("category") { .text($0.riskEvent?.category ?? "") },
                    Column("event") { .text($0.riskEvent?.name ?? "") }, .from, .until, .length,
                    Column("calls") { $0.riskEvent?.calls.map { .number($0) } ?? .none },
                    Column("detail") { .text($0.riskEvent?.detail ?? "") },
                ],
                accepts: { $0.riskEvent != nil }),
            .decisions(title: "Lineage of figures (BCBS 239)", counters: []),
            .decisionRows(more: []),
        ])
}

extension SectionDescription {
    /// Answered calls by what decided.
    static func decisions(title: String = "Decisions by algorithm", counters: [Counter]) -> SectionDescription {
        SectionDescription(
            name: "decisions", title: title, topics: [.call], shape: .groups(counters), related: "last",
            columns: [.model, .version, .artifact], accepts: { $0.isAnswered })
    }

    static func decisionRows(more: [Column]) -> SectionDescription {
        SectionDescription(
            name: "decision_rows", title: "Decisions, each", topics: [.call], isDetail: true,
            columns: Column.callDetail + more, accepts: { $0.isAnswered })
    }

    static func orders(_ name: String, _ title: String, _ verbs: Set<String>, more: [Column]) -> SectionDescription {
        SectionDescription(
            name: name, title: title, topics: [.admin], related: "intent", columns: Column.order + more,
            accepts: { verbs.contains($0.verb) })
    }
}

extension Column {
    fileprivate static let payload = Column("payload") { item in
        switch item.subject {
        case .none: .none
        case .closed: .text("closed")
        case .open(let payload): .payload(payload)
        }
    }
}

/// What a bank counts as an event of operational risk.
private struct RiskEvent {
    let category: String
    let name: String
    var calls: UInt64?
    let detail: String
}

extension EvidenceItem {
    /// Reasons of refused calls that a forgery has, and a mistake with a key has not.
    private static let forgeries: Set<String> = ["signature", "replay", "digest", "instance"]

    fileprivate var riskEvent: RiskEvent? {
        switch topic {
        case .outage: RiskEvent(category: "systems", name: "outage", detail: cause)
        case .gap:
            RiskEvent(
                category: "systems", name: "gap", calls: record.number(GapField.count),
                detail: "\(record.text(GapField.kind)): \(record.text(GapField.reason))")
        case .withheld: RiskEvent(category: "systems", name: "answer withheld", calls: 1, detail: "")
        case .refused:
            RiskEvent(
                category: "external",
                name: Self.forgeries.contains(record.text(RefusedField.reason)) ? "forged" : "refused",
                calls: record.number(RefusedField.count),
                detail: "\(record.text(RefusedField.reason)) from \(record.text(RefusedField.network))")
        case .admin where !isDone:
            RiskEvent(
                category: "execution", name: "\(verb) \(result)", detail: record.text(AdminField.error))
        case .admin where Verb.returns.contains(verb):
            RiskEvent(category: "systems", name: verb, detail: record.text(AdminField.reason))
        default: nil
        }
    }
}
