// Enters: what was counted of two versions on the same rows. Leaves: a table, or JSON.
import Foundation
import Rollout

/// The report of `vencejo compare --inputs`; its JSON has schema 1.
struct EvaluationDocument {
    let model: String
    let versions: (first: Int64, second: Int64)
    /// Of the versions' files; empty where there is none.
    let digests: (first: String, second: String)
    /// Of the evaluation set.
    let digest: String
    let evaluation: Evaluation
    /// Of the score, 95 %.
    let gain: ClosedRange<Double>?
    let seed: UInt64
    /// Nanoseconds of single runs, ascending.
    let latency: (first: [Int64], second: [Int64])

    // MARK: - For people

    var table: String {
        let share = evaluation.rows > 0 ? Double(evaluation.disagreeing) / Double(evaluation.rows) : 0
        func line(_ name: String, _ text: String) -> [String] { [name, "", "", text] }
        var rows = [line("decide otherwise", "\(evaluation.disagreeing) of \(evaluation.rows), \(percent(share))")]
        if let mean = evaluation.differenceMean {
            rows.append(line("numbers differ by", "mean \(short(mean)), largest \(short(evaluation.differenceMax))"))
        }
        if let score = evaluation.score { rows += lines(score) }
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            rows.append([
                "\(name) of one row", milliseconds(quantile(share, latency.first)),
                milliseconds(quantile(share, latency.second)), "",
            ])
        }
        return vencejo.table([printable(model).uppercased(), "\(versions.first)", "\(versions.second)", ""], rows)
            + "\n\nevaluation set: \(evaluation.rows) rows, sha256 \(digest)"
    }

    private func lines(_ score: Score) -> [[String]] {
        let count = Double(max(1, score.rows))
        func line(_ name: String, _ value: (Score.Sums) -> Double, _ more: String) -> [String] {
            [name, short(value(score.first) / count), short(value(score.second) / count), more]
        }
        let bounds = gain.map { ", 95 %: \(signed($0.lowerBound)) to \(signed($0.upperBound))" } ?? ""
        let gained = "gain \(signed(score.gain))\(bounds)"
        guard score.kind == .decisions else {
            return [
                line("mean absolute error", \.absoluteError, gained), line("mean squared error", \.squaredError, ""),
            ]
        }
        return [
            line("accuracy", { Double($0.right) }, gained),
            [
                "only this one is right", "\(score.first.onlyRight)", "\(score.second.onlyRight)",
                score.mcNemar.map { "McNemar's exact test: p = \(short($0))" } ?? "",
            ],
        ]
    }

    private func short(_ number: Double) -> String { String(format: "%.4g", number) }
    private func signed(_ number: Double) -> String { String(format: "%+.3g", number) }
    private func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
    private func milliseconds(_ nanoseconds: Int64?) -> String {
        nanoseconds.map { String(format: "%.3f ms", Double($0) / 1_000_000) } ?? "-"
    }

    private func quantile(_ share: Double, _ sorted: [Int64]) -> Int64? {
        sorted.isEmpty ? nil : sorted[min(sorted.count - 1, Int((share * Double(sorted.count)).rounded(.up)) - 1)]
    }

    // MARK: - For programs

    var json: JSON {
        .object([
            ("schema", .number(1)), ("model", .string(model)), ("evaluation_sha256", .string(digest)),
            ("rows", .number(evaluation.rows)), ("disagreeing", .number(evaluation.disagreeing)),
            (
                "differences",
                .object([
                    ("numbers", .number(evaluation.numbers)), ("mean", number(evaluation.differenceMean)),
                    ("largest", number(evaluation.numbers > 0 ? evaluation.differenceMax : nil)),
                ])
            ),
            ("first", version(versions.first, digests.first, evaluation.score?.first, latency.first)),
            ("second", version(versions.second, digests.second, evaluation.score?.second, latency.second)),
            (
                "gain",
                evaluation.score.map { score in
                    .object([
                        ("of", .string(score.kind == .decisions ? "accuracy" : "mean_absolute_error")),
                        ("mean", number(score.gain)), ("low", number(gain?.lowerBound)),
                        ("high", number(gain?.upperBound)), ("confidence", .literal("0.95")),
                        ("resamples", .number(PairedBootstrap.resamples)), ("seed", .number(seed)),
                        ("mcnemar_p", number(score.mcNemar)),
                    ])
                } ?? .null
            ),
        ])
    }

    private func version(_ number: Int64, _ digest: String, _ sums: Score.Sums?, _ latency: [Int64]) -> JSON {
        let count = Double(max(1, evaluation.score?.rows ?? 0))
        let isDecided = evaluation.score?.kind == .decisions
        func mean(_ sum: Double?) -> JSON { self.number(sum.map { $0 / count }) }
        return .object([
            ("version", .number(number)), ("artifact_digest", digest.isEmpty ? .null : .string(digest)),
            ("accuracy", mean(isDecided ? sums.map { Double($0.right) } : nil)),
            ("only_right", isDecided ? sums.map { .number($0.onlyRight) } ?? .null : .null),
            ("mean_absolute_error", mean(isDecided ? nil : sums?.absoluteError)),
            ("mean_squared_error", mean(isDecided ? nil : sums?.squaredError)),
            ("p50_nanoseconds", quantile(0.5, latency).map { .number($0) } ?? .null),
            ("p99_nanoseconds", quantile(0.99, latency).map { .number($0) } ?? .null),
        ])
    }

    private func number(_ value: Double?) -> JSON { value.map { .literal("\($0)") } ?? .null }
}
