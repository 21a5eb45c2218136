// Enters: names, versions, and a caller's selector. Leaves: a lease of the model that is to answer.
public import Memory
import Synchronization
public import Tensors

/// Why no model can be leased.
public enum LeaseError: Error, Equatable {
    case unknownModel(String)
    case unknownVersion(model: String, version: Int64, loaded: [Int64])
    case unknownLabel(model: String, label: String, known: [String])
    case emptySlot(model: String, slot: Slot)
    case loading(model: String, version: Int64)
    /// `reason`: our own sentence.
    case failed(model: String, version: Int64, reason: String)
}

/// A model for the length of one call.
public struct Lease<Model: AnyObject & Sendable>: BitwiseCopyable, Sendable {
    /// The directory keeps it.
    public let model: Pinned<Model>
    public let provenance: Provenance
}

/// One model of the repository, and its versions: the live one (blue) first.
public final class Entry<Model: AnyObject & Sendable>: Sendable {
    public let name: String
    private let nameBytes: OwnedBytes
    public let versions: [Version<Model>]
    /// The same, found without counting who looks.
    private let pinned: [Pinned<Version<Model>>]
    public let labels: [String: Int64]

    init(name: String, numbers: [Int64], labels: [String: Int64]) {
        self.name = name
        self.labels = labels
        nameBytes = OwnedBytes(name)
        let slots: [Slot] = [.blue, .green]
        versions = zip(numbers.sorted(by: >), slots).map { Version(number: $0, slot: $1) }
        pinned = versions.map { Pinned($0) }
    }

    /// The name, for as long as the directory lives.
    public var nameView: ByteView { nameBytes.view }

    public var live: Version<Model> { versions[0] }

    /// The version that a caller asked for, whatever its state.
    public func version(_ selector: VersionSelector) throws(LeaseError) -> Version<Model> {
        switch selector {
        case .live:
            return pinned[0].object
        case .number(let number):
            return try version(number)
        case .label(let label):
            let label = label.clippedText
            guard let number = labels[label] else {
                throw .unknownLabel(model: name, label: label, known: labels.keys.sorted())
            }
            return try version(number)
        case .slot(let slot):
            for version in pinned where version.object.slot == slot { return version.object }
            throw .emptySlot(model: name, slot: slot)
        }
    }

    private func version(_ number: Int64) throws(LeaseError) -> Version<Model> {
        for version in pinned where version.object.number == number { return version.object }
        throw .unknownVersion(model: name, version: number, loaded: versions.map(\.number).sorted())
    }

    public func lease(_ selector: VersionSelector) throws(LeaseError) -> Lease<Model> {
        let version = try version(selector)
        guard let model = version.model else {
            if case .failed(let reason) = version.state {
                throw .failed(model: name, version: version.number, reason: reason)
            }
            throw .loading(model: name, version: version.number)
        }
        return Lease(
            model: model,
            provenance: Provenance(
                model: nameView, version: version.number, slot: version.slot, artifactDigest: version.digest))
    }
}

/// What the repository says of one model.
public struct ModelDescription: Sendable, Equatable {
    public let name: String
    /// The two highest are loaded: the highest into blue, which is live, the next into green.
    public let versions: [Int64]
    public let labels: [String: Int64]

    public init(name: String, versions: [Int64], labels: [String: Int64] = [:]) {
        self.name = name
        self.versions = versions
        self.labels = labels
    }
}

/// All models of a server, found by name without a lock. Names are fixed when the server starts.
public final class Directory<Model: AnyObject & Sendable>: Sendable {
    public let entries: [Entry<Model>]
    /// The same, found without counting who looks.
    private let pinned: [Pinned<Entry<Model>>]
    /// Open addressing: positions of entries by the hash of their names; -1 is free. Twice as many places as entries.
    private let table: [Int]
    private let changeCount = ChangeCount()

    /// A description without a version has nothing to load, and is left out.
    public init(_ descriptions: [ModelDescription]) {
        let entries: [Entry<Model>] = descriptions.filter { !$0.versions.isEmpty }.map {
            Entry(name: $0.name, numbers: $0.versions, labels: $0.labels)
        }
        var places = 4
        while places < entries.count * 2 { places *= 2 }
        var table = [Int](repeating: -1, count: places)
        for (position, entry) in entries.enumerated() {
            var place = Int(truncatingIfNeeded: entry.nameView.fnv1a) & (places - 1)
            while table[place] >= 0 { place = (place + 1) & (places - 1) }
            table[place] = position
        }
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

    public func lease(_ name: ByteView, _ selector: VersionSelector) throws(LeaseError) -> Lease<Model> {
        guard let entry = entry(name) else { throw .unknownModel(name.clippedText) }
        return try entry.lease(selector)
    }

    /// Grows with every change of a version's state: who watches compares.
    public var changes: UInt64 { changeCount.value.load(ordering: .acquiring) }

    /// To be called after each change of a version's state.
    public func changed() { changeCount.value.add(1, ordering: .releasing) }

    /// Every version has become ready or has failed.
    public var isLoaded: Bool { entries.allSatisfy { $0.versions.allSatisfy { $0.state != .loading } } }
}

/// Stands apart from `Directory`: Swift 6.3's optimizer stops on an atomic in a generic class that it specializes.
private final class ChangeCount: Sendable {
    let value = Atomic<UInt64>(0)
}
