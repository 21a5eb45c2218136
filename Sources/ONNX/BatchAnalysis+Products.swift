// Enters: operators that multiply matrices. Leaves: where the rows are afterwards.

extension BatchAnalysis {
    mutating func matMul(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 2)
        return [try matMul(try operands.input(0), try operands.input(1))]
    }

    /// The product of the last two dimensions; those before them are broadcast.
    mutating func matMul(_ left: BatchValue, _ right: BatchValue) throws(BatchEnd) -> BatchValue {
        guard let one = left.dimensions, let other = right.dimensions, !one.isEmpty, !other.isEmpty else {
            throw BatchEnd("the shape of its input is not known")
        }
        // A vector is a matrix of one row, or of one column, for as long as the product takes.
        let (isRow, isColumn) = (one.count == 1, other.count == 1)
        let a = isRow ? [.one] + one : one
        let b = isColumn ? other + [.one] : other
        let (aRows, bRows) = (left.rows.map { $0.moved(to: $0.index + (isRow ? 1 : 0)) }, right.rows)
        let rank = max(a.count, b.count)
        guard aRows?.index != a.count - 1, bRows.map({ $0.index != b.count - 2 }) ?? true else {
            throw BatchEnd("it adds up over the rows")
        }
        // The leading dimensions as values of their own, with a place for the rows of each.
        let (aLeads, bLeads) = (a.count - 2, b.count - 2)
        func lead(_ dimensions: [Extent], _ rows: BatchAxis?, _ count: Int) -> BatchValue {
            BatchValue(dimensions: Array(dimensions[..<count]), rows: rows.flatMap { $0.index < count ? $0 : nil })
        }
        let leads = try broadcast([lead(a, aRows, aLeads), lead(b, bRows, bLeads)])
        var rows = leads.rows
        let inner = [
            aRows.flatMap { $0.index == aLeads ? $0.moved(to: rank - 2) : nil },
            bRows.flatMap { $0.index == b.count - 1 ? $0.moved(to: rank - 1) : nil },
        ].compactMap { $0 }
        guard inner.isEmpty || (inner.count == 1 && rows == nil) else {
            throw BatchEnd("rows of one input meet other rows of another")
        }
        // Where one side has its rows in the matrix, the other side must have none.
        if let own = inner.first { rows = own }
        var dimensions = (leads.dimensions ?? []) + [a[a.count - 2], b[b.count - 1]]
        if isColumn { dimensions.removeLast() }
        if isRow {
            let index = dimensions.count - (isColumn ? 1 : 2)
            dimensions.remove(at: index)
            if let place = rows, place.index > index { rows = place.moved(to: place.index - 1) }
        }
        return BatchValue(dimensions: dimensions, rows: rows)
    }

    mutating func gemm(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let a = try turned(try operands.input(0), operands.integer("transA", default: 0) != 0)
        let b = try turned(try operands.input(1), operands.integer("transB", default: 0) != 0)
        guard a.rank == 2, b.rank == 2 else { throw BatchEnd("the shape of its input is not known") }
        let product = try matMul(a, b)
        guard let added = operands[2] else { return [product] }
        return [try broadcast([product, added])]
    }

    /// A matrix with its last two dimensions exchanged, where `isTurned`.
    private func turned(_ value: BatchValue, _ isTurned: Bool) throws(BatchEnd) -> BatchValue {
        guard isTurned else { return value }
        guard var dimensions = value.dimensions, dimensions.count >= 2 else {
            throw BatchEnd("the shape of its input is not known")
        }
        let last = dimensions.count - 1
        dimensions.swapAt(last, last - 1)
        let rows = value.rows.map { rows in
            rows.index == last ? rows.moved(to: last - 1) : rows.index == last - 1 ? rows.moved(to: last) : rows
        }
        return value.with(dimensions, rows)
    }

    /// com.microsoft's MatMul with its operands turned.
    mutating func fusedMatMul(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        guard operands.integer("transBatchA", default: 0) == 0, operands.integer("transBatchB", default: 0) == 0 else {
            throw BatchEnd("it turns its leading dimensions")
        }
        let a = try turned(try operands.input(0), operands.integer("transA", default: 0) != 0)
        let b = try turned(try operands.input(1), operands.integer("transB", default: 0) != 0)
        return [try matMul(a, b)]
    }

    /// A product with quantised weights, of which only `N` says the size: the last dimension is what it adds up over.
    mutating func matMulNBits(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        try operands.constants(from: 1)
        guard rows.index != dimensions.count - 1 else { throw BatchEnd("it adds up over the rows") }
        return [value.with(Array(dimensions.dropLast()) + [Extent(operands.integer("N", default: 0))], rows)]
    }

    /// Products of which the factors stand at `places`, and scales and zero points elsewhere.
    mutating func quantisedProduct(_ operands: Operands, _ places: [Int]) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(operands.inputs.indices.filter { !places.contains($0) })
        return [try matMul(try operands.input(places[0]), try operands.input(places[1]))]
    }

    /// Sources: ONNX's Einsum; NumPy's notation.
    mutating func einsum(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let equation = (operands.text("equation") ?? "").filter { $0 != " " }
        let sides = equation.components(separatedBy: "->")
        guard sides.count == 2, !equation.contains(".") else { throw BatchEnd("its equation has no result, or dots") }
        let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map { Array($0) }
        guard terms.count == operands.inputs.count else { throw BatchEnd("its equation has other inputs than it") }
        var sizes: [Character: Extent] = [:]
        var label: (Character, BatchAxis)?
        for (index, term) in terms.enumerated() {
            let value = try operands.input(index)
            guard let dimensions = value.dimensions, dimensions.count == term.count else {
                throw BatchEnd("the shape of its input is not known")
            }
            guard Set(term).count == term.count else { throw BatchEnd("it takes a diagonal") }
            for (letter, size) in zip(term, dimensions) where sizes[letter] ?? .one == .one { sizes[letter] = size }
            guard let rows = value.rows else { continue }
            guard label == nil || (label?.0 == term[rows.index] && label?.1 == rows.moved(to: 0)) else {
                throw BatchEnd("rows of one input meet other rows of another")
            }
            label = (term[rows.index], rows.moved(to: 0))
        }
        guard let label else { return [.unknown] }
        for (index, term) in terms.enumerated() where operands[index]?.rows == nil && term.contains(label.0) {
            throw BatchEnd("a constant differs from row to row")
        }
        let result = Array(sides[1])
        guard let place = result.firstIndex(of: label.0) else { throw BatchEnd("it adds up over the rows") }
        return [BatchValue(dimensions: result.map { sizes[$0] ?? .one }, rows: label.1.moved(to: place))]
    }
}

extension String {
    /// The pieces between `separator`s.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var (pieces, rest) = ([String](), self[...])
        while let range = rest.firstRange(of: separator) {
            pieces.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return pieces + [String(rest)]
    }
}
