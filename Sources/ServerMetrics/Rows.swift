// Enters: names that come and go. Leaves: which row of the page is whose. Pure.

/// Who has which row. A row that nobody keeps any more stays for five minutes: a last scrape sees the end of its counters, and
/// a version that comes back goes on where it was.
struct Rows: Sendable {
    struct Name: Hashable, Sendable {
        var model: String
        var version: String
    }

    private struct Owner: Sendable {
        var name: Name
        var keepers: Int
        /// Since when nobody keeps it.
        var leftNanoseconds: Int64?
    }

    private struct Table: Sendable {
        var owners: [Owner?]
        var places: [Name: Int] = [:]
    }

    static let restNanoseconds: Int64 = 300_000_000_000
    private var models: Table
    private var versions: Table

    init(_ layout: PageLayout) {
        models = Table(owners: Array(repeating: nil, count: layout.modelRows))
        versions = Table(owners: Array(repeating: nil, count: layout.versionRows))
    }

    private func table(_ scope: Family.Scope) -> Table { scope == .version ? versions : models }

    private mutating func change<Result>(_ scope: Family.Scope, _ body: (inout Table) -> Result) -> Result {
        scope == .version ? body(&versions) : body(&models)
    }

    mutating func take(_ scope: Family.Scope, _ name: Name) -> (row: Int, isNew: Bool) {
        change(scope) { table in
            if let row = table.places[name] {
                table.owners[row]?.keepers += 1
                table.owners[row]?.leftNanoseconds = nil
                return (row, false)
            }
            let free = table.owners.indices.dropFirst(Page.reservedRows).first { table.owners[$0] == nil }
            guard let free else { return (Page.overflowRow, false) }
            table.owners[free] = Owner(name: name, keepers: 1)
            table.places[name] = free
            return (free, true)
        }
    }

    mutating func giveBack(_ scope: Family.Scope, _ row: Int) {
        guard row >= Page.reservedRows else { return }
        change(scope) { $0.owners[row]?.keepers -= 1 }
    }

    /// Rows that were left at an earlier sweep long enough ago are free. - Parameter isBusy: whether calls are under way that will
    /// be counted in a version's row, and in its model's, when they end: their callers may take what time they like.
    mutating func sweep(now: Int64, isBusy: (Int) -> Bool) -> [(Family.Scope, Int)] {
        var freed: [(Family.Scope, Int)] = []
        for scope in [Family.Scope.version, .model] {
            let versions = scope == .model ? self.versions.owners : []
            change(scope) { table in
                for row in table.owners.indices {
                    guard let owner = table.owners[row], owner.keepers == 0 else { continue }
                    guard let left = owner.leftNanoseconds else {
                        table.owners[row]?.leftNanoseconds = now
                        continue
                    }
                    guard now - left >= Self.restNanoseconds else { continue }
                    let isNeeded =
                        scope == .version ? isBusy(row) : versions.contains { $0?.name.model == owner.name.model }
                    guard !isNeeded else { continue }
                    table.owners[row] = nil
                    table.places[owner.name] = nil
                    freed.append((scope, row))
                }
            }
        }
        return freed
    }
}
