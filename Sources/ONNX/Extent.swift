// Enters: sizes of dimensions, some of them unknown. Leaves: their products and quotients, exactly, or that there is none.

/// A size: a number times symbols. Symbols stand for what is the same for all calls of a batch, but for one: the number of rows.
struct Extent: Hashable {
    /// More symbols in one product than any model has.
    private static let symbolsMax = 32
    static let batchSymbol = 0

    private(set) var factor: Int64
    /// Ascending; a square has its symbol twice.
    private(set) var symbols: [Int] = []

    static let one = Extent(1)
    /// The number of rows.
    static let batch = Extent(symbol: batchSymbol)

    init(_ number: Int64) { factor = number }

    init(symbol: Int) {
        factor = 1
        symbols = [symbol]
    }

    /// `nil`: it holds symbols.
    var known: Int64? { symbols.isEmpty ? factor : nil }

    var isBatchFree: Bool { symbols.first != Self.batchSymbol }

    /// `nil`: too large to be written down.
    func times(_ other: Extent) -> Extent? {
        let (product, overflow) = factor.multipliedReportingOverflow(by: other.factor)
        guard !overflow, symbols.count + other.symbols.count <= Self.symbolsMax else { return nil }
        var result = Extent(product)
        result.symbols = (symbols + other.symbols).sorted()
        return result
    }

    /// `nil`: the division has a remainder, or may have one.
    func divided(by other: Extent) -> Extent? {
        guard other.factor > 0, factor % other.factor == 0 else { return nil }
        var result = Extent(factor / other.factor)
        result.symbols = symbols
        for symbol in other.symbols {
            guard let index = result.symbols.firstIndex(of: symbol) else { return nil }
            result.symbols.remove(at: index)
        }
        return result
    }

    /// `nil`: too large, or one of them is not known.
    func plus(_ other: Extent) -> Extent? {
        guard let one = known, let other = other.known else { return nil }
        let (sum, overflow) = one.addingReportingOverflow(other)
        return overflow ? nil : Extent(sum)
    }

    /// A name that tells expressions apart: for symbols that stand for sums of these.
    var key: String { "\(factor)" + symbols.map { "·\($0)" }.joined() }
}

extension Sequence<Extent> {
    /// `nil`: too large to be written down.
    func product() -> Extent? {
        var result: Extent? = .one
        for extent in self { result = result?.times(extent) }
        return result
    }
}

/// Where a tensor has its rows: `dimensions[index]` is outer × rows × inner. Mostly `outer` and `inner` are 1; a reshape that
/// folds the rows into another dimension leaves them there, and a later one that unfolds it finds them again.
struct BatchAxis: Equatable {
    var index: Int
    var outer = Extent.one
    var inner = Extent.one

    /// The dimension is the rows and nothing else.
    var isPlain: Bool { outer == .one && inner == .one }

    func moved(to index: Int) -> BatchAxis { BatchAxis(index: index, outer: outer, inner: inner) }
}

/// What the analysis knows of a value of the graph.
struct BatchValue: Equatable {
    /// `nil`: not even the rank is known. A value with rows has dimensions.
    var dimensions: [Extent]?
    /// Where its rows are: along them, each depends on its own row of the inputs only. `nil`: it is the same for every call.
    var rows: BatchAxis?
    /// The content of a small tensor of whole numbers, where it is known; the number of rows may be in it.
    var elements: [Extent]?
    /// A constant of the file, for rules that read numbers from it.
    var constant: ConstantTensor?
    /// How far a number may be off between alone and together, against the largest of its tensor.
    var bound = 0.0
    /// The unit of `bound`: 1 for float32, more for coarser types.
    var unit = 1.0
    /// The last dimension depends on all rows' values: shorter rows are filled up with this text.
    var filler: String?

    static func == (left: BatchValue, right: BatchValue) -> Bool {
        left.dimensions == right.dimensions && left.rows == right.rows && left.elements == right.elements
            && left.filler == right.filler
    }

    /// The same for all calls of a batch, whatever their number.
    var isConstant: Bool { rows == nil && !dependsOnSize }

    /// Its content is made of the number of rows.
    var dependsOnSize: Bool { elements?.contains { !$0.isBatchFree } ?? false }

    var rank: Int? { dimensions?.count }

    static func scalar(_ extent: Extent) -> BatchValue { BatchValue(dimensions: [], elements: [extent]) }

    /// The same for every call, and nothing else is known of it.
    static let unknown = BatchValue()
}
