// Enters: operators of ai.onnx.ml and of texts. Leaves: where the rows are afterwards.

import Memory

extension BatchAnalysis {
    /// A row of features: two dimensions, of which the first is the rows.
    private func features(
        _ operands: Operands, _ index: Int
    ) throws(BatchEnd) -> (value: BatchValue, dimensions: [Extent], rows: BatchAxis) {
        let found = try operands.rows(index)
        guard found.dimensions.count == 2, found.rows.index == 0 else {
            throw BatchEnd("the rows are not the first of two dimensions of its input '\(operands.name(index))'")
        }
        return found
    }

    /// A label for each row, and scores.
    mutating func classify(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try features(operands, 0)
        let labels =
            ["classlabels_strings", "classlabels_int64s", "classlabels_ints"]
            .compactMap { operands.node.attributes[$0] }.map { max($0.strings.count, $0.integers.count) }.max() ?? 0
        // A support vector machine may score pairs of classes.
        let isByClass = labels >= 2 && operands.node.id.name != "SVMClassifier"
        let scores = isByClass ? Extent(Int64(labels)) : unknownExtent("classes")
        return [value.with([dimensions[0]], rows), value.with([dimensions[0], scores], rows)]
    }

    mutating func regress(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(from: 1)
        let (value, dimensions, rows) = try features(operands, 0)
        let targets = operands.integer("targets") ?? operands.integer("n_targets") ?? 1
        return [value.with([dimensions[0], Extent(targets)], rows)]
    }

    /// Normalizer, Scaler, Imputer: something of its own for each column.
    mutating func columns(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try features(operands, 0)
        return [value.with(dimensions, rows)]
    }

    mutating func extractFeatures(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (data, indices) = (try operands.input(0), try operands.input(1))
        if indices.rows != nil {
            // How labels are looked up: a list of them, and a position for each row.
            guard data.isConstant, data.rank == 1, let total = indices.dimensions?.product() else {
                throw BatchEnd("rows choose from other rows")
            }
            return [try reshape(indices, to: [.one, total])]
        }
        let (value, dimensions, rows) = try operands.rows(0)
        guard rows.index < dimensions.count - 1 else { throw BatchEnd("it chooses among the rows") }
        let count = operands[1]?.dimensions?.product() ?? unknownExtent("features")
        return [value.with(Array(dimensions.dropLast()) + [count], rows)]
    }

    mutating func featureVector(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        var place: (BatchValue, Extent, BatchAxis)?
        for index in operands.inputs.indices {
            let (value, dimensions, rows) = try features(operands, index)
            guard place == nil || place?.2 == rows else {
                throw BatchEnd("rows of one input meet other rows of another")
            }
            place = (value, dimensions[0], rows)
        }
        guard let (value, size, rows) = place else { throw BatchEnd("it has no inputs") }
        return [value.with([size, unknownExtent("features")], rows)]
    }

    mutating func oneHotEncoder(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        let attributes = operands.node.attributes
        let count = max(attributes["cats_int64s"]?.integers.count ?? 0, attributes["cats_strings"]?.strings.count ?? 0)
        return [value.with(dimensions + [Extent(Int64(count))], rows)]
    }

    // MARK: - Texts

    mutating func normaliseTexts(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        guard operands.node.attributes["stopwords"]?.strings.isEmpty ?? true else {
            throw BatchEnd("it drops stop words, and with them rows")
        }
        guard dimensions.count == 1 else { throw BatchEnd("it takes one row of texts") }
        return [value.with(dimensions, rows)]
    }

    /// com.microsoft's Tokenizer: as many tokens as the longest text has, and fillers behind those of the others.
    mutating func tokenise(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try operands.rows(0)
        var result = value.with(dimensions + [unknownExtent("tokens")], rows)
        guard operands.integer("mark", default: 0) == 0 else {
            throw BatchEnd("it marks the ends of texts behind their fillers")
        }
        result.filler = operands.text("pad_value") ?? ""
        return [result]
    }

    /// TfIdfVectorizer counts what its pool names; fillers that are not in the pool count for nothing.
    mutating func countTerms(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try features(operands, 0)
        let pool = operands.node.attributes["pool_strings"]?.strings ?? []
        if let filler = value.filler {
            guard !pool.isEmpty, !pool.contains(where: { $0.text == filler }) else {
                throw BatchEnd("it counts the fillers behind the shorter texts of a batch")
            }
        }
        let most = Extent(operands.integers("ngram_indexes")?.max() ?? -1)
        return [value.with([dimensions[0], most.plus(.one) ?? unknownExtent("terms")], rows)]
    }

    // MARK: - com.microsoft

    /// Attention and MultiHeadAttention: sequences of each entry of the first dimension. `entries`: inputs that have rows,
    /// where they are given; all others are parameters. `left`: inputs that must not be given.
    mutating func attention(
        _ operands: Operands, entries places: [Int], left: Range<Int>, size: Int? = nil
    ) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try entries(operands, 0)
        guard rows.isPlain else { throw BatchEnd("the rows are not the first dimension of its input") }
        for index in operands.inputs.indices.dropFirst() {
            guard let other = operands[index] else { continue }
            guard !left.contains(index) else { throw BatchEnd("it remembers what came before, which is not followed") }
            if places.contains(index), other.rows != nil {
                guard other.rows == rows else { throw BatchEnd("rows of one input meet other rows of another") }
                continue
            }
            guard other.isConstant else { throw BatchEnd("its input '\(operands.name(index))' depends on the batch") }
            guard !places.contains(index) || other.dimensions?.first == .one else {
                throw BatchEnd("a constant differs from row to row")
            }
        }
        guard operands.node.outputs.dropFirst().allSatisfy(\.isEmpty) else {
            throw BatchEnd("it remembers what came before, which is not followed")
        }
        var result = dimensions
        if let last = result.indices.last {
            result[last] = size.flatMap { operands[$0]?.dimensions?.last } ?? unknownExtent("hidden")
        }
        return [value.with(result, rows)]
    }

    /// Texts as numbers, looked up, added and normalised. Source: EmbedLayerNormalization of ONNX Runtime.
    mutating func embed(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try features(operands, 0)
        for index in [1, 7, 8] {
            guard let other = operands[index] else { continue }
            guard other.rows == rows else { throw BatchEnd("rows of one input meet other rows of another") }
        }
        try operands.constants(2..<7)
        let hidden = operands[2]?.dimensions?.last ?? unknownExtent("hidden")
        let all = value.with(dimensions + [hidden], rows)
        return [all, value.with([dimensions[0]], rows), all]
    }

    /// RotaryEmbedding: an entry's positions are its own or the same for all.
    mutating func rotary(_ operands: Operands, positions: Int) throws(BatchEnd) -> [BatchValue] {
        let (value, dimensions, rows) = try entries(operands, 0)
        for index in operands.inputs.indices.dropFirst() {
            guard let other = operands[index] else { continue }
            guard other.rows == rows || (other.isConstant && (index != positions || other.dimensions?.first == .one))
            else {
                throw BatchEnd("its input '\(operands.name(index))' depends on the batch")
            }
        }
        return [value.with(dimensions, rows)]
    }

    /// com.microsoft's QLinear operators of two tensors: each with its scale and zero point behind it.
    mutating func quantisedBroadcast(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(operands.inputs.indices.filter { $0 != 0 && $0 != 3 })
        return [try broadcast([try operands.input(0), try operands.input(3)])]
    }

    /// com.microsoft's QLinearConcat: scale and zero point of the result, then each tensor with its own.
    mutating func quantisedConcatenation(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        let places = Array(stride(from: 2, to: operands.inputs.count, by: 3))
        try operands.constants(operands.inputs.indices.filter { !places.contains($0) })
        return try concatenate(
            operands, places.compactMap { operands[$0] }, axis: operands.integer("axis", default: 1))
    }

    /// com.microsoft's QGemm: a, its scale and zero point, b with its own, and what is added.
    mutating func quantisedGemm(_ operands: Operands) throws(BatchEnd) -> [BatchValue] {
        try operands.constants(operands.inputs.indices.filter { $0 != 0 })
        let (value, dimensions, rows) = try features(operands, 0)
        guard operands.integer("transA", default: 0) == 0, let weights = operands[3]?.dimensions, weights.count == 2
        else {
            throw BatchEnd("the shape of its input is not known")
        }
        return [value.with([dimensions[0], weights[operands.integer("transB", default: 0) == 0 ? 1 : 0]], rows)]
    }
}
