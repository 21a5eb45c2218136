import Audit
import AuditReports
import Cryptography
import Foundation
import Memory
import TestSupport
import Testing

/// The first line in which two texts differ; `nil`: they do not.
private func difference(_ found: String, _ wanted: String) -> String? {
    let (found, wanted) = (found.split(separator: "\n"), wanted.split(separator: "\n"))
    let number = zip(found, wanted).prefix { $0 == $1 }.count
    guard number < max(found.count, wanted.count) else { return nil }
    return "line \(number + 1) is \(number < found.count ? found[number] : "absent")"
}

// MARK: Golden files

/// With VENCEJO_WRITE_GOLDEN set the files are written, to be read in the difference of a commit.
@Test(arguments: ReportProfile.allCases) func reportsAreThoseOnFile(profile: ReportProfile) throws {
    let subject = profile == .gdpr ? "anna" : nil
    let report = try report(SampleLog.everything().files, profile, subject: subject)
    #expect(report.status == .whole)
    let forms = [
        ("md", report.markdown(folder: "audit/log-0000")),
        ("json", String(decoding: report.json + [0x0a], as: UTF8.self)),
    ]
    for (suffix, text) in forms {
        let path = "audit-reports/\(profile.rawValue).\(suffix)"
        if ProcessInfo.processInfo.environment["VENCEJO_WRITE_GOLDEN"] != nil {
            let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/")
            try Data(text.utf8).write(to: fixtures.appending(path: path))
        }
        let wanted = String(decoding: try Fixtures.data(path), as: UTF8.self)
        #expect(difference(text, wanted) == nil, "\(path)")
    }
}

/// What compares golden files finds a changed, a missing and an additional line.
@Test(arguments: [("a\nb", "a\nc"), ("a", "a\nb"), ("a\nb", "a"), ("", "a")]) func aDifferenceIsFound(
    found: String, wanted: String
) {
    #expect(difference(found, wanted) != nil)
    #expect(difference(wanted, wanted) == nil)
}

// MARK: Proofs

private func references(_ rows: [[String: Any]]) -> [[String: Any]] {
    rows + rows.compactMap { $0["related"] as? [String: Any] }
}

@Test(arguments: ReportProfile.allCases, ReportRequest.Rows.allCases) func everyRowIsProven(
    profile: ReportProfile, rows: ReportRequest.Rows
) throws {
    let document = try Document(report(SampleLog.everything().files, profile, rows: rows))
    let signers = try TrustedSigners(TestKeys.pubkey)
    let all = document.sections.flatMap { references($0["rows"] as? [[String: Any]] ?? []) }
    #expect(all.count > 20)
    let note = try #require((document.log["checkpoint"] as? [String: Any])?["note"] as? String)
    for row in all {
        let proof = try #require(InclusionProof(row["proof"] as? String ?? ""))
        #expect(proof.isGood(signers) && proof.note == note)
        #expect(proof.index == (row["index"] as? NSNumber)?.uint64Value)
        #expect(MerkleTree.leafHash(SHA256.digest(of: proof.entry.raw)).bytes.hex == row["leaf"] as? String)
        var entry = proof.entry
        entry[entry.count - 1] ^= 1
        let changed = InclusionProof(entry: entry, index: proof.index, hashes: proof.hashes, note: proof.note)
        #expect(!changed.isGood(signers))
    }
}

/// Rows behind a pruned part are proven too, and the report says that it is gone.
@Test func aPrunedLogIsProven() throws {
    var log = try SampleLog()
    for version in 1...5 { try log.call("iris", Int64(version), key: 0) }
    log.roll(.age)
    try log.call("iris", 6, key: 0)
    log.retain(from: 1)
    for version in 7...9 { try log.call("iris", Int64(version), key: 0) }
    log.roll(.end)
    let oldest = try #require(log.volume.files.keys.min())
    try log.volume.remove(oldest)
    let report = try report(log.files, .mifid2)
    let document = try Document(report)
    #expect(report.status == .whole && document.values("decisions", "version") == ["6", "7", "8", "9"])
    let signers = try TrustedSigners(TestKeys.pubkey)
    for row in references(document.rows("decisions")) {
        #expect(InclusionProof(row["proof"] as? String ?? "")?.isGood(signers) == true)
    }
    let retention = try #require(document.root["retention"] as? [String: Any])
    #expect(retention["is_complete"] as? Bool == false && retention["keeps_minimum"] as? Bool == false)
    #expect(report.markdown(folder: "d").contains("some are pruned"))
}

@Test func aFolderOfOneLogSaysWhatTheLogSays() throws {
    let log = try SampleLog.everything()
    let request = ReportRequest(profile: .sox, since: period.since, until: period.until)
    let reporter = Reporter(
        request, signers: try TrustedSigners(TestKeys.pubkey), expected: nil, keys: ReportKeys(audit: TestKeys.audit))
    let folder = try reporter.report([log.files], isOneLog: false, hasProofs: true)
    let one = try reporter.report([log.files], isOneLog: true, hasProofs: true)
    #expect(folder.json == one.json && folder.markdown(folder: "d") == one.markdown(folder: "d"))
}

/// A log that was put back, and the one that was begun for it: each with its own rows and proofs.
@Test func aFolderOfTwoLogsSaysWhatBothSay() throws {
    var first = try SampleLog()
    var second = try SampleLog(number: 1)
    for version in 1...3 { try first.call("iris", Int64(version), key: 0) }
    for version in 4...5 { try second.call("iris", Int64(version), key: 0) }
    first.roll(.end)
    second.roll(.end)
    let request = ReportRequest(profile: .mifid2, since: period.since, until: period.until)
    let reporter = Reporter(
        request, signers: try TrustedSigners(TestKeys.pubkey), expected: nil, keys: ReportKeys(audit: TestKeys.audit))
    let report = try reporter.report([first.files, second.files], isOneLog: false, hasProofs: true)
    #expect(report.status == .whole)
    let logs = try #require(Document(report).root["logs"] as? [[String: Any]])
    let signers = try TrustedSigners(TestKeys.pubkey)
    let versions = try logs.map { log in
        let sections = log["sections"] as? [[String: Any]] ?? []
        let section = try #require(sections.first { $0["name"] as? String == "decisions" })
        let rows = section["rows"] as? [[String: Any]] ?? []
        for row in references(rows) { #expect(InclusionProof(row["proof"] as? String ?? "")?.isGood(signers) == true) }
        return rows.map { "\(($0["values"] as? [String: Any])?["version"] ?? "absent")" }
    }
    #expect(versions == [["1", "2", "3"], ["4", "5"]])
    let text = report.markdown(folder: "d")
    #expect(text.contains(first.name.suffix(32)) && text.contains(second.name.suffix(32)))
}

// MARK: Exit status

@Test func aChangedRecordIsStatus1() throws {
    var files = try SampleLog.everything().volume.files
    let name = try #require(files.keys.min())
    files[name]?[900] ^= 1
    let report = try report(LogFiles("copy", files), .mifid2)
    #expect(report.status == .tampered && report.status.rawValue == 1)
    #expect(report.markdown(folder: "d").contains("**tampered**"))
    #expect(try Document(report).log["faults"] as? [Any] != nil)
}

@Test func statusesAreThoseOfVerify() throws {
    let log = try SampleLog.everything()
    #expect(try report(log.files, .sox).status == .whole)
    #expect(try report(log.files, .sox, pubkey: nil).status == .unverifiable)
    #expect(try report(log.files, .sox, audit: ["other": TestKeys.secret(5)]).status == .unverifiable)
    var open = try SampleLog()
    try open.event(15) { $0.text(1, "ring") }
    let report = try report(open.files, .sox)
    #expect(report.status == .unclean)
    let row = try #require(Document(report).rows("alarms").first)
    #expect(row["proof"] as? String == nil)
    #expect(
        try Reporter(
            ReportRequest(profile: .sox, since: 0, until: 1), signers: nil, expected: nil, keys: ReportKeys(audit: [:])
        ).report([], isOneLog: false, hasProofs: true).status == .unverifiable)
}

/// Records of a segment without a key are counted, and not passed over in silence.
@Test func closedRecordsAreTold() throws {
    let report = try report(SampleLog.everything().files, .basel, audit: ["other": TestKeys.secret(5)])
    #expect(try Document(report).log["closed_records"] as? Int ?? 0 > 30)
    #expect(report.markdown(folder: "d").contains("whose segment's key is not there"))
}
