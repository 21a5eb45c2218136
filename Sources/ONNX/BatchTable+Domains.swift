// Enters: nothing. Leaves: the rules for ai.onnx.ml, for what optimisers emit into com.microsoft, and why some have none.

extension BatchTable {
    static let learning = table(
        all(words("LinearClassifier SVMClassifier TreeEnsembleClassifier"), sum) {
            (analysis, operands) throws(BatchEnd) in
            try analysis.classify(operands)
        }.map { name, rule in
            (name, (name == "TreeEnsembleClassifier" ? rule.jumping() : rule).changed { $0.jumps = [0] })
        },
        all(words("LinearRegressor SVMRegressor"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.regress(operands)
        },
        all(words("TreeEnsemble TreeEnsembleRegressor"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.regress(operands)
        }.map { ($0.0, $0.1.jumping()) },
        all(words("Imputer Normalizer Scaler"), rounded) { (analysis, operands) throws(BatchEnd) in
            try analysis.columns(operands)
        },
        all(words("Binarizer CategoryMapper LabelEncoder")) { (analysis, operands) throws(BatchEnd) in
            try analysis.unary(operands)
        }.map { ($0.0, $0.1.jumping()) },
        [
            (
                "ArrayFeatureExtractor",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.extractFeatures(operands) }
            ),
            (
                "FeatureVectorizer",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.featureVector(operands) }
            ),
            (
                "OneHotEncoder",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.oneHotEncoder(operands) }
                    .jumping()
            ),
        ])

    static let microsoft = table(
        all(words("BiasGelu FastGelu Gelu QuickGelu"), rounded) { (analysis, operands) throws(BatchEnd) in
            try analysis.broadcast(operands)
        },
        all(words("QLinearAdd QLinearMul")) { (analysis, operands) throws(BatchEnd) in
            try analysis.quantisedBroadcast(operands)
        },
        all(words("QLinearLeakyRelu QLinearSigmoid")) { (analysis, operands) throws(BatchEnd) in
            try analysis.unary(operands)
        },
        all(words("QLinearAveragePool QLinearGlobalAveragePool NhwcMaxPool")) { (analysis, operands) throws(BatchEnd) in
            [try analysis.shapeless(operands)]
        },
        all(words("SkipLayerNormalization SkipSimplifiedLayerNormalization"), sum) {
            (analysis, operands) throws(BatchEnd) in
            try analysis.skipLayerNormalization(operands)
        },
        all(words("Gemm FusedGemm GemmFloat8"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.gemm(operands)
        },
        all(words("FusedMatMul TransposeMatMul"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.fusedMatMul(operands)
        },
        [
            (
                "FusedConv",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.fusedConvolution(operands) },
                    bound: sum)
            ),
            (
                "MatMulNBits",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.matMulNBits(operands) }, bound: sum)
            ),
            (
                "MatMulIntegerToFloat",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.quantisedProduct(operands, [0, 1]) },
                    bound: rounded)
            ),
            ("QGemm", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.quantisedGemm(operands) }),
            (
                "QLinearConcat",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.quantisedConcatenation(operands)
                }
            ),
            (
                "QuantizeLinear",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.quantise(operands) }.jumping()
            ),
            (
                "DequantizeLinear",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.quantise(operands) }
            ),
            (
                "LayerNormalization",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.layerNormalization(operands) },
                    bound: sum)
            ),
            (
                "Attention",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in
                        try analysis.attention(operands, entries: [3], left: 4..<7)
                    }, bound: sum)
            ),
            (
                "MultiHeadAttention",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in
                        try analysis.attention(operands, entries: [1, 2, 4, 5], left: 6..<10, size: 2)
                    }, bound: sum)
            ),
            (
                "EmbedLayerNormalization",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.embed(operands) }, bound: sum)
            ),
            (
                "RotaryEmbedding",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.rotary(operands, positions: 1) },
                    bound: rounded)
            ),
            ("Tokenizer", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.tokenise(operands) }),
        ])

    /// Operators that mix rows, or whose result is not by row.
    static let ending: [String: String] = {
        var reasons: [String: String] = [:]
        for name in words("DynamicQuantizeLinear DynamicQuantizeMatMul DynamicQuantizeLSTM") {
            reasons[name] = "it scales by the largest value of all rows"
        }
        for name in words("Compress NonMaxSuppression NonZero Unique") {
            reasons[name] = "how many rows it makes depends on the values"
        }
        for name in drawing { reasons[name] = "it draws by chance" }
        for name in words("EyeLike ScatterND MaxUnpool RoiAlign MaxRoiPool") {
            reasons[name] = "it addresses rows by their number"
        }
        return reasons
    }()

    private static let drawing = Set(
        words("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"))

    /// Operators that draw by chance, or may: two runs of them differ, whatever they depend on.
    static func isByChance(_ id: OperatorName) -> Bool { drawing.contains(id.name) || id.name == "Dropout" }
}
