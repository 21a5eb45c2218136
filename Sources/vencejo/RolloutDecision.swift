// Enters: a rollout that waits for a decision. Leaves: what an operator can run, for people and for programs.
import Foundation
import PredictionAPI

/// The three decisions on a rollout that waits, as commands.
struct RolloutDecision {
    /// The differing answers are accepted; the steps go on.
    let accept: String
    /// Live at once.
    let promote: String
    /// Taken back.
    let abort: String

    /// `server`: where the command at hand asks; a decision is to be asked there, too.
    /// `version`: a later rollout is of another one, which is not accepted unseen.
    init(_ model: String, _ version: Int64, _ server: EndpointOptions) {
        let place = server.endpoint.map { " --endpoint \(shellWord($0))" } ?? ""
        let name = shellWord(model)
        accept = "vencejo rollout \(name) --version \(version) --accept answers\(place)"
        promote = "vencejo promote \(name)\(place)"
        abort = "vencejo abort \(name)\(place)"
    }

    /// One line each.
    var lines: [String] {
        ["  go on:      \(accept)", "  live now:   \(promote)", "  take back:  \(abort)"].map(printable)
    }

    var sentence: String {
        printable("run \"\(accept)\" (it goes on), \"\(promote)\" (live now) or \"\(abort)\" (taken back)")
    }

    var json: JSON {
        .object([("accept", .string(accept)), ("promote", .string(promote)), ("abort", .string(abort))])
    }
}

extension StatusResponse.Rollout {
    /// When it is taken back without a decision; `nil`: it does not wait.
    var decideUntil: String? {
        guard decideUntilMilliseconds > 0 else { return nil }
        return Date(timeIntervalSince1970: Double(decideUntilMilliseconds) / 1000).formatted(.iso8601)
    }
}

/// A word that a shell takes as it is.
private func shellWord(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy { scalar in
        scalar.properties.isAlphabetic || "0123456789._-/:[]@%+=,".unicodeScalars.contains(scalar)
    }
    if isPlain && !text.isEmpty { return text }
    return "'" + text.replacing("'", with: "'\\''") + "'"
}
