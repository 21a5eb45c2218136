// Enters: states. Leaves: versions in those states.
import Memory
import Tensors

@testable import Models

/// A model for tests: nothing but a number.
final class Number: Sendable, ExpressibleByIntegerLiteral {
    let value: Int
    init(_ value: Int) { self.value = value }
    convenience init(integerLiteral value: Int) { self.init(value) }
}

/// A version on its way to `state`, as far as that goes; its model is `model`.
func standing(
    _ number: Int64, _ slot: Slot?, _ state: VersionState, of name: String = "m", _ model: Int = 0
) -> Standing<Number> {
    var standing = Standing<Number>(loading: number, slot: slot)
    let version = Version(
        of: name, number: number, Number(model), digest: [UInt8](repeating: UInt8(truncatingIfNeeded: model), count: 32)
    )
    switch state {
    case .absent, .draining: preconditionFailure("\(state) stands in no catalog")
    case .loading: break
    case .warming: standing.note(.loaded)
    case .ready: standing.becomeReady(version)
    case .live:
        standing.becomeReady(version)
        standing.note(.promoted)
    case .failed(let reason): standing.note(.fail(reason))
    case .quarantined(let reason):
        standing.note(.fail(reason))
        standing.note(.gaveUp)
    }
    return standing
}

/// One line for each version, in their order.
func lines(_ standings: [Standing<Number>]) -> [String] {
    standings.map { "\($0.number) \($0.slot.map { "\($0.name)" } ?? "-") \($0.state)" }
}
