// Enters: a report. Leaves: it as a JSON document.
internal import Audit
internal import Cryptography
internal import JSON
internal import Memory

extension Report {
    /// The form of the document: it grows with each change that a reader of the old one would misread.
    private static let version: Int64 = 1

    /// UTF-8, one line without its end. Integers above 2^63 - 1 are decimal strings, times RFC 3339, bytes hexadecimal.
    public var json: [UInt8] {
        let members: [(name: String, value: JSONValue)] = [
            ("v", .integer(Self.version)), ("purpose", .string(purpose)),
            ("profile", .string(request.profile.rawValue)), ("regime", .string(regime)),
            ("since", .string(Timestamp.text(request.since))), ("until", .string(Timestamp.text(request.until))),
            ("subject", request.subject.map { .string($0) } ?? .null),
            ("clock_microseconds_max", request.clockMicrosecondsMax.map { Cell.number($0) } ?? .null),
            ("rows", .string(request.rows.rawValue)),
            ("verification", verificationJSON), ("retention", retention.json),
            ("payload_months", payloadMonths.map { .array($0.map(\.json)) } ?? .null),
            ("logs", .array(logs.map(\.json))),
        ]
        return JSONValue.object(JSONObject(members)).encoded
    }

    private var verificationJSON: JSONValue {
        .object(
            JSONObject([
                ("status", .string("\(status)")), ("exit", .integer(Int64(status.rawValue))),
                ("has_pubkey", .bool(verification.hasSigners)), ("faults", .array(verification.faults.map(\.json))),
                ("expected_passed_over", .integer(Int64(verification.expectedPassedOver))),
            ]))
    }
}

extension RetentionFinding {
    fileprivate var json: JSONValue {
        .object(
            JSONObject([
                ("begins", begins.map { .string(Timestamp.text($0)) } ?? .null), ("is_complete", .bool(isComplete)),
                ("reaches_since", .bool(reachesSince)),
                ("minimum_months", minimum.map { Cell.number($0.months) } ?? .null),
                ("keeps_minimum", keepsMinimum.map { .bool($0) } ?? .null),
            ]))
    }
}

extension PayloadMonth {
    fileprivate var json: JSONValue {
        .object(
            JSONObject([
                ("month", Cell.number(month)), ("keys", Cell.number(keys)), ("held", Cell.number(held)),
                ("is_due", isDue.map { .bool($0) } ?? .null),
            ]))
    }
}

extension LogEvidence {
    fileprivate var json: JSONValue {
        let members: [(name: String, value: JSONValue)] = [
            ("name", .string(report.name)), ("origin", report.origin.map { .string($0.text) } ?? .null),
            ("checkpoint", checkpointJSON), ("segments", .integer(Int64(report.segments))),
            ("entries", Cell.number(report.entries)), ("records", .integer(Int64(report.records))),
            ("covered_entries", Cell.number(report.covered)),
            ("first_entry", firstHeader.map { Cell.number($0.first) } ?? .null),
            ("expected_found", .integer(Int64(report.expectedFound))),
            ("expected_passed_over", .integer(Int64(report.expectedPassedOver))),
            ("faults", .array(report.faults.map(\.json))), ("unclean", .array(report.unclean.map(\.json))),
            ("missing_keys", .array(report.missingKeys.sorted().map { .string($0) })),
            ("notes", .array(report.notes.map(\.json))), ("closed_records", Cell.number(closed)),
            ("unreadable_records", Cell.number(unreadable)), ("clock", clock.json),
            ("sections", .array(sections.map { $0.json(proofs) })),
        ]
        return .object(JSONObject(members))
    }

    private var checkpointJSON: JSONValue {
        guard let newest = report.newest else { return .null }
        return .object(
            JSONObject([
                ("size", Cell.number(newest.checkpoint.size)), ("root", .string(newest.checkpoint.root.bytes.hex)),
                ("note", .string(newest.note)),
            ]))
    }
}

extension ClockSummary {
    fileprivate var json: JSONValue {
        .object(
            JSONObject([
                ("records", Cell.number(records)), ("max_error_microseconds", Cell.number(errorMicrosecondsMax)),
                ("steps", Cell.number(steps)), ("unsynchronised", Cell.number(unsynchronised)),
                ("calls_outside", Cell.number(callsOutside)),
            ]))
    }
}

extension ReportSection {
    fileprivate func json(_ proofs: [UInt64: String]) -> JSONValue {
        let names = description.columnNames
        let rows = rows.map { row -> JSONValue in
            var members = row.entry.members(proofs)
            if let role = description.related, let related = row.related {
                let reference: [(name: String, value: JSONValue)] = [("role", .string(role))]
                members.append(("related", .object(JSONObject(reference + related.members(proofs)))))
            }
            let values = zip(names, row.cells).map { (name: $0, value: $1.json) }
            members.append(("values", .object(JSONObject(values))))
            return .object(JSONObject(members))
        }
        let omitted = omitted.map { omitted -> JSONValue in
            .object(
                JSONObject([
                    ("count", Cell.number(omitted.count)), ("first_index", Cell.number(omitted.first)),
                    ("last_index", Cell.number(omitted.last)),
                ]))
        }
        return .object(
            JSONObject([
                ("name", .string(description.name)), ("title", .string(description.title)), ("rows", .array(rows)),
                ("omitted", omitted ?? .null),
            ]))
    }
}

extension EntryReference {
    fileprivate func members(_ proofs: [UInt64: String]) -> [(name: String, value: JSONValue)] {
        [
            ("index", Cell.number(index)), ("leaf", .string(leafHash.bytes.hex)),
            ("proof", proofs[index].map { .string($0) } ?? .null),
        ]
    }
}

extension Finding {
    fileprivate var json: JSONValue {
        .object(
            JSONObject([
                ("file", file.map { .string($0) } ?? .null), ("offset", offset.map { .integer(Int64($0)) } ?? .null),
                ("sentence", .string(sentence)),
            ]))
    }
}
