import Audit
import AuditReports
import Cryptography
import Foundation
import Memory
import Testing

@Test func decisionsAreGrouped() throws {
    let document = try Document(report(SampleLog.everything().files, .mifid2))
    #expect(document.values("decisions", "model") == ["iris", "spam|<filter>", "iris"])
    #expect(document.values("decisions", "version") == ["7", "2", "8"])
    #expect(document.values("decisions", "calls") == ["3", "1", "1"])
    #expect(document.values("decisions", "clock_outside") == ["1", "1", "0"])
    #expect(document.rows("decision_rows").isEmpty)
    let all = try Document(report(SampleLog.everything().files, .mifid2, rows: .all))
    #expect(all.values("decision_rows", "clock") == ["within", "within", "outside", "outside", "within"])
    let fast = try Document(report(SampleLog.everything().files, .mifid2, isHighFrequency: true))
    #expect(fast.values("decisions", "clock_outside") == ["1", "1", "0"])
    #expect(fast.root["clock_microseconds_max"] as? Int == 100)
}

@Test func highFrequencyHasItsOwnBound() throws {
    var log = try SampleLog()
    for error in [99, 100, 101, 1000, 1001] { try log.call("iris", 7, key: 0, clockError: error) }
    log.roll(.end)
    #expect(try Document(report(log.files, .mifid2)).values("decisions", "clock_outside") == ["1"])
    #expect(
        try Document(report(log.files, .mifid2, isHighFrequency: true)).values("decisions", "clock_outside") == ["3"])
}

@Test func ordersHaveTheirOutcome() throws {
    let document = try Document(report(SampleLog.everything().files, .sox))
    #expect(
        document.values("changes", "verb")
            == ["swap", "load", "shadow", "abort", "unload", "swap", "access", "rollback"])
    #expect(
        document.values("changes", "result")
            == ["done", "failed", "done", "done", "done", "done", "done", "no outcome"])
    #expect(
        document.values("changes", "separation")
            == ["two", "unknown", "unknown", "unknown", "unknown", "the same", "unknown", "unknown"])
    #expect(document.values("failed", "verb") == ["load", "rollback"])
    #expect(document.values("emergency", "verb") == ["abort", "unload", "rollback"])
    #expect(document.values("access", "action") == ["access", "activated"])
    let mifid = try Document(report(SampleLog.everything().files, .mifid2))
    #expect(mifid.values("kill_switches", "verb") == ["abort", "unload"])
    #expect(mifid.values("tests", "verb") == ["shadow"])
    let act = try Document(report(SampleLog.everything().files, .aiAct))
    #expect(act.values("interventions", "verb") == ["rollback"])
    #expect(act.values("incidents", "class") == ["drift", "incident"])
}

@Test func risksAreClassified() throws {
    let document = try Document(report(SampleLog.everything().files, .basel))
    #expect(
        document.values("events", "event")
            == [
                "gap", "forged", "refused", "answer withheld", "load failed", "abort", "rollback no outcome", "outage",
                "outage",
            ])
    #expect(
        document.values("events", "category")
            == [
                "systems", "external", "external", "systems", "execution", "systems", "execution", "systems", "systems",
            ])
    #expect(document.values("events", "length_nanoseconds").prefix(3) == ["1500000000", "1500000000", "1500000000"])
    #expect(document.values("outages", "cause") == ["the server was lost", "the server ended"])
}

@Test func aSubjectSeesItsOwnRecordsOnly() throws {
    for (subject, calls, erasures, holds) in [("anna", 4, 0, 1), ("bert", 2, 2, 0), ("carl", 0, 0, 0)] {
        let document = try Document(report(SampleLog.everything().files, .gdpr, subject: subject))
        #expect(document.rows("subject_records").count == calls, "\(subject)")
        #expect(document.rows("erasures").count == erasures && document.rows("holds").count == holds, "\(subject)")
    }
    let document = try Document(report(SampleLog.everything().files, .gdpr, subject: "anna"))
    let payload = try #require(document.values("subject_records", "payload").first)
    #expect(payload.contains("192.0.2.7") && payload.contains("010203"))
    let months = try #require(document.root["payload_months"] as? [[String: Any]])
    #expect(months.map { $0["month"] as? Int } == [202607])
    let all = try Document(report(SampleLog.everything().files, .gdpr)).root["payload_months"] as? [[String: Any]]
    #expect(all?.map { $0["is_due"] as? Bool } == [true, false])
}

// MARK: Outages, periods, bounds

/// Phases of instances, one a second, and the outages that they make: the seconds from and until.
@Test(
    arguments: [
        ([(1, 1), (1, 3), (2, 1)], ["the server ended"]),
        ([(1, 1), (1, 4), (1, 1)], ["the server was lost"]),
        ([(1, 1), (2, 1), (1, 3)], []),
        ([(1, 1), (2, 1), (1, 2)], []),
        ([(1, 1), (2, 1)], ["no end was recorded"]),
        ([(1, 1), (2, 1), (1, 4)], ["no end was recorded"]),
        ([(1, 1), (2, 1), (1, 3), (2, 3), (3, 1)], ["the server ended"]),
        ([(1, 3)], []),
        ([(1, 1), (1, 2), (1, 3)], ["the server ended"]),
    ] as [([(UInt8, Int)], [String])]) func outages(phases: [(UInt8, Int)], causes: [String]) throws
{
    var log = try SampleLog()
    for (instance, phase) in phases { try log.server(instance, phase: phase) }
    log.roll(.end)
    #expect(try Document(report(log.files, .basel)).values("outages", "cause") == causes)
}

/// The end of a period does not belong to it; an event that reaches into it does.
@Test(arguments: [(1, 2, 1), (2, 3, 1), (2, 4, 2), (4, 9, 0), (0, 1, 0)]) func periods(
    since: UInt64, until: UInt64, calls: Int
) throws {
    var log = try SampleLog()
    for _ in 0..<3 { try log.call("iris", 7, key: 0) }
    log.roll(.end)
    let (since, until) = (SampleLog.start + since * 1_000_000_000, SampleLog.start + until * 1_000_000_000)
    let document = try Document(report(log.files, .mifid2, since: since, until: until, rows: .all))
    #expect(document.rows("decision_rows").count == calls)
}

@Test func aSummaryIsBounded() throws {
    var log = try SampleLog()
    for number in 0..<1200 { try log.event(15) { $0.text(1, "alarm \(number)") } }
    log.roll(.end)
    let document = try Document(report(log.files, .sox))
    let section = try #require(document.sections.first { $0["name"] as? String == "alarms" })
    #expect((section["rows"] as? [Any])?.count == 1000)
    #expect((section["omitted"] as? [String: Int]) == ["count": 200, "first_index": 1001, "last_index": 1200])
    #expect(try Document(report(log.files, .sox, rows: .all)).rows("alarms").count == 1200)
}

@Test(arguments: [
    (ReportProfile.mifid2, UInt64(0), true, false), (.aiAct, 0, true, true), (.gdpr, 0, false, true),
]) func retention(profile: ReportProfile, sequence: UInt64, hasMinimum: Bool, isDay: Bool) throws {
    let files = try SampleLog.everything().files
    let before = try Document(report(files, profile, since: SampleLog.start - 1_000_000_000))
    let within = try Document(report(files, profile, since: SampleLog.start + 2_000_000_000))
    func finding(_ document: Document) -> [String: Any] { document.root["retention"] as? [String: Any] ?? [:] }
    #expect(finding(before)["reaches_since"] as? Bool == false)
    #expect(finding(within)["reaches_since"] as? Bool == true)
    #expect(finding(within)["is_complete"] as? Bool == true)
    #expect((finding(within)["keeps_minimum"] as? Bool) == (hasMinimum ? true : nil))
}

// MARK: Foreign bytes

/// Records of noise are counted, and nothing traps.
@Test func noiseIsCounted() throws {
    var random = SplitMix(seed: 8)
    var log = try SampleLog()
    for _ in 0..<300 {
        let noise = (0..<Int(random.next() % 60)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let field = 3 + Int(random.next() % 13)
        try log.event(field) { $0.data(Int(random.next() % 16) + 1, noise) }
        try log.raw(noise)
    }
    log.roll(.end)
    for profile in ReportProfile.allCases {
        let report = try report(log.files, profile, since: 0, until: .max, rows: .all)
        #expect(report.status == .whole)
        #expect(try Document(report).log["unreadable_records"] as? Int ?? 0 > 200)
        #expect(!report.markdown(folder: "d").isEmpty)
    }
}
