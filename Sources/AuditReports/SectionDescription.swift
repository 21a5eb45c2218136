// Enters: items of a log, in order. Leaves: the rows of one section, of which no more are kept than its bounds say.

/// A section of a report, declared.
struct SectionDescription: Sendable {
    enum Shape: Sendable {
        /// A row for each item.
        case rows
        /// A row for all items whose columns are equal: their number, that of each counter, the first and the last.
        case groups([Counter])
    }

    struct Counter: Sendable {
        let name: String
        let counts: @Sendable (EvidenceItem) -> Bool
    }

    /// In JSON.
    let name: String
    let title: String
    /// What the title leaves open.
    var note: String?
    let topics: Set<Topic>
    var shape = Shape.rows
    /// What a row's second record is.
    var related: String?
    /// There only if every row is asked for.
    var isDetail = false
    let columns: [Column]
    var accepts: @Sendable (EvidenceItem) -> Bool = { _ in true }

    var columnNames: [String] {
        switch shape {
        case .rows: columns.map(\.name)
        case .groups(let counters):
            columns.map(\.name) + ["calls"] + counters.map(\.name) + ["first_time", "last_time"]
        }
    }
}

struct ReportRow: Sendable {
    let entry: EntryReference
    let related: EntryReference?
    let cells: [Cell]
}

/// Rows of a section, and what was left out.
struct ReportSection: Sendable {
    let description: SectionDescription
    let rows: [ReportRow]
    /// How many items have no row, and the first and last of them.
    let omitted: Omitted?

    struct Omitted: Sendable {
        var count: UInt64
        let first: UInt64
        var last: UInt64
    }
}

struct SectionCollector {
    private struct Group {
        let key: [Cell]
        var calls: UInt64 = 0
        var counts: [UInt64]
        let first: EventRecord
        var last: EventRecord
    }

    private let description: SectionDescription
    private let rowsMax: Int
    private var rows: [ReportRow] = []
    private var groups: [Group] = []
    private var groupIndexes: [[Cell]: Int] = [:]
    private var omitted: ReportSection.Omitted?

    init(_ description: SectionDescription, rowsMax: Int) {
        (self.description, self.rowsMax) = (description, rowsMax)
    }

    mutating func offer(_ item: EvidenceItem) {
        guard description.topics.contains(item.topic), description.accepts(item) else { return }
        let cells = description.columns.map { $0.value(item) }
        switch description.shape {
        case .rows:
            guard rows.count < rowsMax else { return omit(item) }
            rows.append(ReportRow(entry: item.record.entry, related: item.related?.entry, cells: cells))
        case .groups(let counters): count(item, cells, counters)
        }
    }

    private mutating func count(_ item: EvidenceItem, _ key: [Cell], _ counters: [SectionDescription.Counter]) {
        if groupIndexes[key] == nil {
            guard groups.count < rowsMax else { return omit(item) }
            groupIndexes[key] = groups.count
            groups.append(Group(key: key, counts: counters.map { _ in 0 }, first: item.record, last: item.record))
        }
        guard let index = groupIndexes[key] else { return }
        groups[index].calls += 1
        for (number, counter) in counters.enumerated() where counter.counts(item) { groups[index].counts[number] += 1 }
        groups[index].last = item.record
    }

    private mutating func omit(_ item: EvidenceItem) {
        let index = item.record.entry.index
        omitted = omitted ?? ReportSection.Omitted(count: 0, first: index, last: index)
        omitted?.count += 1
        omitted?.last = index
    }

    /// Orders without an outcome come last and stand where they were given.
    func finish() -> ReportSection {
        let grouped = groups.map { group in
            ReportRow(
                entry: group.first.entry, related: group.last.entry,
                cells: group.key + ([group.calls] + group.counts).map { .number($0) }
                    + [.time(group.first.time), .time(group.last.time)])
        }
        let sorted = (rows + grouped).sorted { $0.entry.index < $1.entry.index }
        return ReportSection(description: description, rows: sorted, omitted: omitted)
    }
}
