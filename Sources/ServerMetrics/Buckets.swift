// Enters: a number. Leaves: which bucket of a histogram it falls in.

/// The buckets of a histogram that is shown in two ways: as Prometheus's native one, whose boundaries are powers of
/// 2^(2^-schema), and as a classic one, whose few boundaries somebody chose. A cell for each stretch between two boundaries of
/// either kind: what is counted once is exact in both.
public struct Buckets: Sendable, Equatable {
    /// The largest number of each bucket, ascending, in the cells' unit; one more bucket has what is larger.
    public let bounds: [UInt64]
    /// Positions of the classic boundaries, and what each is called (`le`), in the metric's unit.
    public let classic: [Int]
    public let names: [Double]
    /// Positions of the boundaries 2^(exponent · 2^-schema) of the metric's unit; the first one's exponent, the others follow.
    public let native: [Int]
    public let firstExponent: Int
    public let schema: Int
    /// For a number's highest five bits: the first bucket that it may fall in.
    private let starts: [UInt16]

    /// Boundaries from 2^(exponents.lowerBound · 2^-schema) on, and `classic`, in the metric's unit, of which a cell's is the
    /// `divisor`-th part.
    public init(schema: Int, exponents: ClosedRange<Int>, classic: [Double], divisor: Double) {
        let native = exponents.map { Self.boundary(schema: schema, exponent: $0) }
        let cells = { (boundary: Double) in UInt64((boundary * divisor).rounded(.down)) }
        let bounds = Set((native + classic).map(cells)).sorted()
        self.init(
            bounds: bounds, classic: classic.map { bounds.firstIndex(of: cells($0)) ?? 0 }, names: classic,
            native: native.map { bounds.firstIndex(of: cells($0)) ?? 0 }, firstExponent: exponents.lowerBound,
            schema: schema)
    }

    /// What another process says of its own; checked there.
    init(bounds: [UInt64], classic: [Int], names: [Double], native: [Int], firstExponent: Int, schema: Int) {
        self.bounds = bounds
        self.classic = classic
        self.names = names
        self.native = native
        self.firstExponent = firstExponent
        self.schema = schema
        var starts: [UInt16] = []
        var position = 0
        for key in 0..<64 * 16 {
            let smallest = Self.smallest(of: key)
            while position < bounds.count, bounds[position] < smallest { position += 1 }
            starts.append(UInt16(position))
        }
        self.starts = starts
    }

    static func boundary(schema: Int, exponent: Int) -> Double {
        // 2^(e/8) as the power of a whole part and a root below 2: exact where the exponent is whole.
        let steps = 1 << max(0, schema)
        let whole = Int((Double(exponent) / Double(steps)).rounded(.down))
        var root = 2.0
        for _ in 0..<max(0, schema) { root = root.squareRoot() }
        var boundary = 1.0
        for _ in 0..<(exponent - whole * steps) { boundary *= root }
        return boundary * Double(sign: .plus, exponent: whole, significand: 1)
    }

    /// The length of a number in bits, and the four bits below the highest.
    private static func key(_ number: UInt64) -> Int {
        let zeros = number.leadingZeroBitCount
        guard zeros < 64 else { return 0 }
        return (63 - zeros) << 4 | Int(((number << UInt64(zeros)) << 1) >> 60)
    }

    private static func smallest(of key: Int) -> UInt64 {
        let top = UInt64(16 | key & 15)
        let length = key >> 4
        return length >= 4 ? top << UInt64(length - 4) : top >> UInt64(4 - length)
    }

    /// The bucket of a number: the first whose boundary is not below it.
    public func bucket(of number: UInt64) -> Int {
        var position = number == 0 ? 0 : Int(starts[Self.key(number)])
        while position < bounds.count && bounds[position] < number { position += 1 }
        return position
    }
}
