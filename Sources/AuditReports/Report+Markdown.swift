// Enters: a report. Leaves: it as Markdown.
internal import Audit
internal import Cryptography
internal import Memory

extension Report {
    /// - Parameter folder: DIR of the command line, for the lines that say how to get a proof.
    public func markdown(folder: String) -> String {
        var lines = ["# Evidence for \(regime)", "", purpose, ""]
        lines += Self.table(
            ["report", "`\(request.profile.rawValue)`"],
            [
                ["period", "\(Timestamp.text(request.since)) to \(Timestamp.text(request.until)), the end excluded"],
                ["subject", request.subject.map { Cell.escaped($0) }],
                ["clock bound", request.clockMicrosecondsMax.map { "\($0) µs" }],
                ["rows", request.rows == .all ? "all" : "at most \(ReportRequest.rowsMax) a section, calls grouped"],
                ["verification", "**\(status)**, exit status \(status.rawValue)"],
            ].compactMap { row in row[1].map { [row[0] ?? "", $0] } })
        lines += verification.faults.map { "- **tampered**: \($0.markdown)" }
        if !verification.hasSigners {
            lines.append("- **not verifiable**: without --pubkey nothing shows that the operator's key signed this log")
        }
        lines += ["", "## Retention", ""] + retention.sentences.map { "- \($0)" }
        if request.profile == .gdpr { lines += ["", "## Payload months", ""] + payloadMonthLines }
        for log in logs { lines += log.markdown(folder: folder, isOnly: logs.count == 1) }
        if logs.isEmpty { lines += ["", "No log is here."] }
        return lines.joined(separator: "\n") + "\n"
    }

    private var payloadMonthLines: [String] {
        guard let payloadMonths else { return ["Not looked at: give --payload-keys and --store-keys."] }
        guard !payloadMonths.isEmpty else { return ["No payload can be read."] }
        let rows = payloadMonths.map { month in
            [
                "\(month.month)", "\(month.keys)", "\(month.held)",
                month.isDue.map { $0 ? "**due**" : "no" } ?? "not set",
            ]
        }
        return Self.table(["month", "keys", "held", "due"], rows)
    }

    static func table(_ head: [String], _ rows: [[String]]) -> [String] {
        let lines = [head, head.map { _ in "---" }] + rows
        return lines.map { "| \($0.joined(separator: " | ")) |" }
    }
}

extension LogEvidence {
    fileprivate func markdown(folder: String, isOnly: Bool) -> [String] {
        let name = report.origin.map { Cell.escaped($0.text) } ?? Cell.escaped(report.name)
        var lines = ["", "## Log \(name)", ""] + summary
        let number = isOnly ? "" : " --log \(report.origin?.number ?? 0)"
        if report.newest != nil {
            lines += [
                "",
                "Proof of a row: `vencejo-audit prove \(folder)\(number) --index N > proof`, then "
                    + "`vencejo-audit check proof --pubkey FILE`.",
            ]
        }
        lines += ["", "### Unclean ends, and notes", ""]
        let ends = report.unclean + report.notes
        lines += ends.isEmpty ? ["None."] : ends.map { "- \($0.markdown)" }
        for section in sections { lines += section.markdown(covered: report.covered) }
        return lines
    }

    private var summary: [String] {
        var rows: [[String]] = []
        if let newest = report.newest?.checkpoint {
            rows.append(["checkpoint", "\(newest.size) entries, root `\(newest.root.bytes.hex)`"])
        } else {
            rows.append(["checkpoint", "**none**: no row can be proven"])
        }
        rows.append(["entries", "\(report.entries), of which checkpoints cover \(report.covered)"])
        if report.expectedFound + report.expectedPassedOver > 0 {
            rows.append([
                "expected checkpoints",
                "\(report.expectedFound) hold, \(report.expectedPassedOver) are of pruned entries",
            ])
        }
        if closed > 0 { rows.append(["closed", "**\(closed) records** whose segment's key is not there"]) }
        if unreadable > 0 { rows.append(["unreadable", "**\(unreadable) records**"]) }
        let outside = clock.callsOutside > 0 ? "; **calls beyond the bound: \(clock.callsOutside)**" : ""
        rows.append([
            "clock",
            "\(clock.records) records; error at most \(clock.errorMicrosecondsMax) µs; steps: \(clock.steps); "
                + "unsynchronised: \(clock.unsynchronised)\(outside)",
        ])
        return Report.table(["", ""], rows) + faults
    }

    private var faults: [String] {
        report.faults.map { "- **tampered**: \($0.markdown)" }
            + report.missingKeys.sorted().map { "- **no key** \(Cell.escaped($0)): its segments were not opened" }
    }
}

extension ReportSection {
    /// In Markdown a duration has its unit beside it.
    private static func heading(_ column: String) -> String {
        column.replacing("_nanoseconds", with: "").replacing("_", with: " ")
    }

    fileprivate func markdown(covered: UInt64) -> [String] {
        var lines = ["", "### \(description.title)", ""]
        if let note = description.note { lines += [note, ""] }
        guard !rows.isEmpty else { return lines + ["None."] }
        let related = description.related.flatMap { role in rows.contains { $0.related != nil } ? role : nil }
        let head =
            ["index"] + description.columnNames.map(Self.heading) + ["leaf"]
            + (related.map { [$0, "\($0)'s leaf"] } ?? [])
        lines += Report.table(
            head,
            rows.map { row in
                let second = row.related.map { [$0.markdown(covered: covered), $0.leaf] } ?? ["", ""]
                return [row.entry.markdown(covered: covered)] + row.cells.map(\.markdown) + [row.entry.leaf]
                    + (related == nil ? [] : second)
            })
        if let omitted {
            lines += [
                "", "And **\(omitted.count) more** from index \(omitted.first) to \(omitted.last): `--rows all`.",
            ]
        }
        return lines
    }
}

extension EntryReference {
    /// One that no checkpoint covers is marked.
    fileprivate func markdown(covered: UInt64) -> String { index < covered ? "\(index)" : "**\(index), not covered**" }
    fileprivate var leaf: String { "`\(leafHash.bytes.hex)`" }
}

extension Finding {
    fileprivate var markdown: String {
        let place = file.map { "\($0)\(offset.map { ", byte \($0)" } ?? ""): " } ?? ""
        return Cell.escaped(place + sentence)
    }
}
