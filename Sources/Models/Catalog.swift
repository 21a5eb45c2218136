// Enters: names. Leaves: entries. All models of a server as of one commit.
public import Memory
public import Tensors

/// Every model as of one commit, found by name without a lock. It never changes; a change makes another.
public final class Catalog<Model: AnyObject & Sendable>: Sendable {
    /// Which commit made it; grows by one with each.
    public let epoch: UInt64
    /// In the order of their names.
    public let entries: [Entry<Model>]
    /// The same, found without counting who looks.
    private let pinned: [Pinned<Entry<Model>>]
    /// Open addressing: positions of entries by the hash of their names; -1 is free. Twice as many places as entries.
    private let table: [Int]

    init(epoch: UInt64, _ entries: [Entry<Model>]) {
        let entries = entries.sorted { $0.name < $1.name }
        var places = 4
        while places < entries.count * 2 { places *= 2 }
        var table = [Int](repeating: -1, count: places)
        for (position, entry) in entries.enumerated() {
            var place = Int(truncatingIfNeeded: entry.nameView.fnv1a) & (places - 1)
            while table[place] >= 0 { place = (place + 1) & (places - 1) }
            table[place] = position
        }
        self.epoch = epoch
        self.entries = entries
        pinned = entries.map { Pinned($0) }
        self.table = table
    }

    public func entry(_ name: ByteView) -> Entry<Model>? {
        var place = Int(truncatingIfNeeded: name.fnv1a) & (table.count - 1)
        while table[place] >= 0 {
            let entry = pinned[table[place]].object
            if entry.nameView == name { return entry }
            place = (place + 1) & (table.count - 1)
        }
        return nil
    }

    /// The same for who is on no call's way.
    public func entry(named name: String) -> Entry<Model>? { entries.first { $0.name == name } }

    public func lease(
        _ name: ByteView, _ selector: VersionSelector, lot: Lot = .chance(0), id: ByteView = .empty
    ) throws(LeaseError) -> Lease<Model> {
        guard let entry = entry(name) else { throw .unknownModel(name.clippedText) }
        return try entry.lease(selector, epoch: epoch, lot: lot, id: id)
    }
}
