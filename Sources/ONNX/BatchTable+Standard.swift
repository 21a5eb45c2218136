// Enters: nothing. Leaves: the rules for ONNX's own operators.

extension BatchTable {
    /// Every element by itself, or with those at its place.
    static let elementwise = table(
        all(words("Abs BitwiseNot Clip IsInf IsNaN LeakyRelu Neg Not PRelu Relu Sqrt"), exact) {
            (analysis, operands) throws(BatchEnd) in
            operands.node.id.name == "PRelu" ? try analysis.broadcast(operands) : try analysis.unary(operands)
        },
        all(
            words(
                """
                Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu HardSigmoid HardSwish Log Mish Reciprocal Selu \
                Sigmoid Sin Sinh Softplus Softsign Swish Tan Tanh
                """), rounded
        ) { (analysis, operands) throws(BatchEnd) in try analysis.unary(operands) },
        all(words("Ceil Floor RegexFullMatch Round Shrink Sign ThresholdedRelu")) {
            (analysis, operands) throws(BatchEnd) in
            try analysis.unary(operands)
        }.map { ($0.0, $0.1.jumping()) },
        all(words("Add Div Max Min Mul Sub")) { (analysis, operands) throws(BatchEnd) in
            try analysis.arithmetic(operands)
        }.map { ($0.0, $0.1.sized()) },
        all(words("And Equal Greater GreaterOrEqual Less LessOrEqual Mod Or Xor")) {
            (analysis, operands) throws(BatchEnd) in
            try analysis.arithmetic(operands)
        }.map { ($0.0, $0.1.sized().jumping()) },
        all(words("BitShift BitwiseAnd BitwiseOr BitwiseXor StringConcat")) { (analysis, operands) throws(BatchEnd) in
            try analysis.broadcast(operands)
        },
        all(words("Mean Pow Sum"), rounded) { (analysis, operands) throws(BatchEnd) in try analysis.broadcast(operands)
        },
        [
            (
                "Where",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.choose(operands) }.sized()
            ),
            (
                "Cast",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.cast(operands) }.sized()
                    .changed { $0.keepsUnit = false }
            ),
            ("Dropout", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.dropout(operands) }),
            (
                "Identity",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.same(operands) }.sized()
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
                "CastLike",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.castLike(operands) }.jumping()
            ),
        ])

    /// Elements are moved, chosen or counted.
    static let shapes = table([
        ("Constant", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.constant(operands) }),
        ("Reshape", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.reshape(operands) }.sized()),
        (
            "Flatten",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.flatten(operands) }.changed {
                $0.takesFiller = true
            }
        ),
        ("Squeeze", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.squeeze(operands) }.sized()),
        (
            "Unsqueeze",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.unsqueeze(operands) }.sized()
        ),
        ("Transpose", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.transpose(operands) }),
        ("Shape", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.shape(operands) }.sized()),
        ("Size", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.size(operands) }.sized()),
        (
            "ConstantOfShape",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.constantOfShape(operands) }.sized()
        ),
        ("Expand", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.expand(operands) }.sized()),
        ("Tile", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.tile(operands) }.sized()),
        ("Range", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.range(operands) }.sized()),
        (
            "Concat",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.concatenate(operands) }.sized()
        ),
        ("Gather", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.gather(operands) }.sized()),
        (
            "GatherElements",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.alongAxis(operands) }
        ),
        (
            "ScatterElements",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.alongAxis(operands) }
        ),
        ("GatherND", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.gatherND(operands) }),
        ("Slice", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.slice(operands) }.sized()),
        ("Split", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.split(operands) }),
        ("Pad", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.pad(operands) }),
        ("Trilu", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.triangle(operands) }),
        ("OneHot", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.oneHot(operands) }.jumping()),
        (
            "ReverseSequence",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.reverseSequence(operands) }
        ),
        (
            "DepthToSpace",
            BatchOperation { (analysis, operands) throws(BatchEnd) in [try analysis.shapeless(operands)] }
        ),
        (
            "SpaceToDepth",
            BatchOperation { (analysis, operands) throws(BatchEnd) in [try analysis.shapeless(operands)] }
        ),
        (
            "StringNormalizer",
            BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.normaliseTexts(operands) }
        ),
        ("If", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.branch(operands) }.sized()),
        ("Loop", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.loop(operands) }.sized()),
        ("Scan", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.scan(operands) }.sized()),
    ])

    /// A whole dimension, a window or a matrix makes an element.
    static let whole = table(
        all(
            words(
                "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum ReduceSumSquare"), sum
        ) { (analysis, operands) throws(BatchEnd) in try analysis.reduce(operands) },
        // What the runtime makes of a NaN among the numbers depends on where its vectors begin.
        all(words("ReduceMax ReduceMin"), rounded) { (analysis, operands) throws(BatchEnd) in
            try analysis.reduce(operands)
        }.map { ($0.0, $0.1.changed { $0.jumps = [0] }) },
        all(words("ArgMax ArgMin")) { (analysis, operands) throws(BatchEnd) in
            try analysis.argument(operands)
        }.map { ($0.0, $0.1.jumping()) },
        all(words("Softmax LogSoftmax"), sum) { (analysis, operands) throws(BatchEnd) in try analysis.softmax(operands)
        },
        all(words("LayerNormalization RMSNormalization SimplifiedLayerNormalization"), sum) {
            (analysis, operands) throws(BatchEnd) in try analysis.layerNormalization(operands)
        },
        all(words("InstanceNormalization GroupNormalization LRN"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.perEntry(operands)
        },
        all(words("GlobalAveragePool GlobalLpPool GlobalMaxPool"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.globalPool(operands)
        },
        all(words("AveragePool LpPool MaxPool"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.pool(operands)
        },
        all(words("Conv ConvInteger"), sum) { (analysis, operands) throws(BatchEnd) in
            try analysis.convolution(operands, weight: 1)
        },
        all(words("Resize Upsample"), rounded) { (analysis, operands) throws(BatchEnd) in
            try analysis.resize(operands)
        }.map { ($0.0, $0.1.sized()) },
        all(words("RNN GRU LSTM"), sum) { (analysis, operands) throws(BatchEnd) in try analysis.recurrent(operands) },
        [
            (
                "Hardmax",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.softmax(operands) }.jumping()
            ),
            ("TopK", BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.top(operands) }.jumping()),
            (
                "LpNormalization",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.lpNormalization(operands) },
                    bound: sum)
            ),
            (
                "MeanVarianceNormalization",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.meanVariance(operands) }, bound: sum)
            ),
            (
                "CumSum",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.cumulativeSum(operands) }, bound: sum)
            ),
            (
                "BatchNormalization",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.batchNormalization(operands) },
                    bound: rounded)
            ),
            (
                "ConvTranspose",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in [try analysis.shapeless(operands)] }, bound: sum)
            ),
            (
                "GridSample",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.gridSample(operands) }, bound: sum)
            ),
            (
                "MatMul",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.matMul(operands) }, bound: sum)
            ),
            (
                "Gemm",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.gemm(operands) }, bound: sum)
            ),
            (
                "Einsum",
                BatchOperation(
                    rule: { (analysis, operands) throws(BatchEnd) in try analysis.einsum(operands) }, bound: sum)
            ),
            (
                "MatMulInteger",
                BatchOperation { (analysis, operands) throws(BatchEnd) in
                    try analysis.quantisedProduct(operands, [0, 1])
                }
            ),
            (
                "QLinearMatMul",
                BatchOperation { (analysis, operands) throws(BatchEnd) in
                    try analysis.quantisedProduct(operands, [0, 3])
                }
            ),
            (
                "QLinearConv",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.convolution(operands, weight: 3)
                }
            ),
            (
                "TfIdfVectorizer",
                BatchOperation { (analysis, operands) throws(BatchEnd) in try analysis.countTerms(operands) }
                    .changed { $0.takesFiller = true }
            ),
        ])
}
