// Enters: numbers of a program that is no server. Leaves: them in its page, for a scraper.
import Memory

/// Cells of a page whose families are all of scope `server`: an agent's. One thread writes them.
public struct PageCells: Sendable {
    private let cells: SharedWords
    private let families: [Family]

    public init(_ page: Page) {
        precondition(page.layout.catalogue.families.allSatisfy { $0.scope == .server }, "an agent has no models")
        cells = page.cells(0)
        families = page.layout.catalogue.families
    }

    /// A counter that its owner keeps.
    /// - Parameters:
    ///   - family: its place in the catalogue.
    ///   - point: which combination of label values; the last label's changes fastest.
    public func set(_ family: Int, point: Int = 0, total: UInt64) { cells.store(families[family].first + point, total) }

    public func set(_ family: Int, point: Int = 0, _ number: Double) {
        cells.store(families[family].first + point, number.bitPattern)
    }
}
