// Enters: things that wait, each with a priority. Leaves: whose turn it is. Pure.
public import Tensors

/// A queue with a lane for each priority: first come, first served within a lane, and the higher lane first.
///
/// Nobody starves: who was passed over `passesMax` times by a higher lane goes before it.
public struct Lanes<Element> {
    public static var passesMax: Int { 8 }

    private struct Lane {
        var elements: [Element] = []
        var first = 0
        /// How often the one in front was passed over.
        var passes = 0

        var isEmpty: Bool { first == elements.count }

        mutating func popFirst() -> Element {
            let element = elements[first]
            first += 1
            passes = 0
            // What has left goes when it is half of what is kept: a few moves for each element, however long the lane.
            if first * 2 >= elements.count {
                elements.removeSubrange(..<first)
                first = 0
            }
            return element
        }
    }

    private var lanes = [Lane](repeating: Lane(), count: Priority.allCases.count)

    public init() {}

    public var isEmpty: Bool { lanes.allSatisfy(\.isEmpty) }

    public mutating func append(_ element: Element, _ priority: Priority) {
        lanes[Int(priority.rawValue)].elements.append(element)
    }

    /// Whose turn it is.
    public var first: Element? { next.map { lanes[$0].elements[lanes[$0].first] } }

    public mutating func popFirst() -> Element? {
        guard let next else { return nil }
        for lower in lanes.indices.dropFirst(next + 1) where !lanes[lower].isEmpty { lanes[lower].passes += 1 }
        return lanes[next].popFirst()
    }

    private var next: Int? {
        // The lowest that has waited too long; else the highest that has anybody.
        lanes.indices.last { !lanes[$0].isEmpty && lanes[$0].passes >= Self.passesMax }
            ?? lanes.indices.first { !lanes[$0].isEmpty }
    }
}
