// Enters: how an experiment stands. Leaves: a table, or JSON.
import Foundation
import PredictionAPI
import Tensors

extension StatusResponse.Experiment {
    func table(of model: String) -> String {
        let found = Dictionary(comparisons.map { ($0.version, $0) }) { first, _ in first }
        let rows = arms.map { arm in
            let comparison = found[arm.version]
            let difference = comparison.map {
                "\(Self.signed($0.difference)) (\(Self.signed($0.low)) to \(Self.signed($0.high)))"
            }
            return [
                "\(arm.version)", "\(arm.percent) %", "\(arm.rewards)", arm.rewards > 0 ? Self.short(arm.mean) : "-",
                difference ?? "-", comparison.map { Self.short($0.pValue) } ?? "-", comparison?.words ?? "baseline",
            ]
        }
        var lines = [
            "experiment of \(printable(model)): \(assignment.name), seed \(seed), since "
                + Date(timeIntervalSince1970: Double(startedMilliseconds) / 1000).formatted(.iso8601),
            vencejo.table(["VERSION", "SHARE", "REWARDS", "MEAN", "DIFFERENCE (95 %)", "P", "RESULT"], rows),
        ]
        if ratioEvidence >= ratioEvidenceMax {
            lines.append(
                "rewards do not come in the ratio in which calls were dealt out (evidence \(Self.short(ratioEvidence)) : 1): "
                    + "answers or rewards of a version get lost, and the comparison is not to be trusted")
        }
        let lost = [
            (callsWithoutId, "of \(calls) calls had no request id"),
            (callsRepeatedId, "had one that was there already"),
            (callsForgotten, "waited too long among too many"),
            (unknownRewards, "rewards were of no answer that waits"),
        ].filter { $0.0 > 0 }
        if !lost.isEmpty { lines.append("not joined: " + lost.map { "\($0.0) \($0.1)" }.joined(separator: ", ")) }
        return lines.joined(separator: "\n")
    }

    private static func short(_ number: Double) -> String { String(format: "%.3g", number) }
    private static func signed(_ number: Double) -> String { String(format: "%+.3g", number) }

    var json: JSON {
        .object([
            ("assignment", .string(assignment.name)), ("baseline", .number(baseline)),
            ("seed", .literal("\(seed)")), ("started_milliseconds", .number(startedMilliseconds)),
            (
                "versions",
                .array(
                    arms.map { arm in
                        .object([
                            ("version", .number(arm.version)), ("percent", .number(arm.percent)),
                            ("rewards", .number(arm.rewards)), ("mean", .literal("\(arm.mean)")),
                        ])
                    })
            ),
            (
                "comparisons",
                .array(
                    comparisons.map { each in
                        .object([
                            ("version", .number(each.version)), ("difference", .literal("\(each.difference)")),
                            ("low", .literal("\(each.low)")), ("high", .literal("\(each.high)")),
                            ("p_value", .literal("\(each.pValue)")), ("verdict", .string("\(each.verdict)")),
                            ("needed", each.verdict == .open && each.needed > 0 ? .number(each.needed) : .null),
                        ])
                    })
            ),
            ("ratio_evidence", .literal("\(ratioEvidence)")), ("ratio_evidence_max", .literal("\(ratioEvidenceMax)")),
            ("calls", .number(calls)), ("calls_without_id", .number(callsWithoutId)),
            ("calls_repeated_id", .number(callsRepeatedId)), ("calls_forgotten", .number(callsForgotten)),
            ("unknown_rewards", .number(unknownRewards)),
        ])
    }
}

extension StatusResponse.Comparison {
    fileprivate var words: String {
        switch verdict {
        case .better: "better"
        case .worse: "worse"
        case .alike: "no difference that matters"
        case .open: needed > 0 ? "needs \(needed) more" : "no rewards yet"
        }
    }
}
