// Enters: files beside a model, and the model. Leaves: which examples it answers as its owner expects, and how it differs.
import Identity
import Memory
import Models
import ONNX
import Repository
import Serving
import Tensors

/// What came of one example.
public struct GoldenResult: Codable, Sendable, Equatable {
    public var name: String
    /// `nil`: the model answers as it should.
    public var difference: String?
    /// Rows of its inputs for which all is expected that the model answers; `nil`: each call of the model is one.
    public var rows: Int?
}

/// How far a number may be from the one that was expected: `|got - wanted| <= absolute + relative * |wanted|`.
struct Tolerance: Equatable {
    var relative: Double
    var absolute: Double

    /// By the type, unless the model's configuration says something else. `nil`: elements must be the same.
    init?(_ type: ElementType, _ configuration: ModelConfiguration = ModelConfiguration()) {
        switch type {
        case .float64: (relative, absolute) = (1e-6, 1e-8)
        case .float32: (relative, absolute) = (1e-4, 1e-5)
        case .float16: (relative, absolute) = (1e-2, 1e-2)
        case .bfloat16: (relative, absolute) = (5e-2, 5e-2)
        default: return nil
        }
        relative = configuration.goldenRelativeTolerance ?? relative
        absolute = configuration.goldenAbsoluteTolerance ?? absolute
    }

    /// NaN is like NaN, and an infinity like itself.
    func holds(_ got: Double, _ wanted: Double) -> Bool {
        if got == wanted || got.isNaN && wanted.isNaN { return true }
        guard got.isFinite, wanted.isFinite else { return false }
        return abs(got - wanted) <= absolute + relative * abs(wanted)
    }
}

extension Repository {
    /// What comes of all examples of a version.
    func golden(_ plan: ModelPlan, _ version: Int64, of servable: Servable) -> [GoldenResult] {
        let all: [GoldenFiles]
        do throws(RepositoryError) { all = try golden(model: plan.name, version: version) } catch {
            // It names files by their places in the repository.
            return [GoldenResult(name: "all", difference: error.description)]
        }
        return all.map { files in
            do throws(NumPyError) {
                let example = try GoldenCase(files)
                return GoldenResult(
                    name: files.name, difference: example.difference(of: servable, plan.configuration),
                    rows: example.rows(of: servable.engine.signature))
            } catch {
                return GoldenResult(name: files.name, difference: "one of its files is no array: \(error.sentence)")
            }
        }
    }
}

/// One example, read.
struct GoldenCase {
    let name: String
    var inputs: [NamedTensor] = []
    var outputs: [NamedTensor] = []

    init(name: String) { self.name = name }

    /// Errors: a file that is no array.
    init(_ files: GoldenFiles) throws(NumPyError) {
        name = files.name
        for file in files.files {
            let array = try NumPyFile(file.bytes)
            let tensor = NamedTensor(
                name: file.tensor, type: array.type, shape: array.shape, content: array.content)
            if file.isInput { inputs.append(tensor) } else { outputs.append(tensor) }
        }
    }

    /// 0: of an output nothing is expected, so the case does not say that the model answers right.
    func rows(of signature: Signature) -> Int? {
        guard !outputs.isEmpty,
            signature.outputs.allSatisfy({ output in outputs.contains { $0.name == output.name } })
        else { return 0 }
        guard signature.canBatch, let rows = inputs.first?.shape.first else { return nil }
        return Int(clamping: max(1, rows))
    }

    /// How the model's answer differs from what is expected; `nil`: it does not.
    func difference(of servable: Servable, _ configuration: ModelConfiguration) -> String? {
        var arena = Arena(bytesMax: 1 << 30)
        do {
            var call = Call()
            call.model = try arena.copy(servable.name)
            for input in inputs {
                let tensor = try input.tensor(in: &arena)
                try call.inputs.append(tensor, in: &arena)
            }
            let work: Work
            switch servable.engine {
            case .identity(let model): work = try model.check(call, in: &arena)
            case .onnx(let model): work = try model.check(call, in: &arena)
            }
            let got = try servable.engine.run(work, in: &arena)
            return difference(got, configuration)
        } catch let SignatureRefusal.signature(error) {
            return "its inputs do not fit: \(error.sentence)"
        } catch {
            return "the model does not answer its inputs"
        }
    }

    func difference(_ got: List<Tensor>, _ configuration: ModelConfiguration = ModelConfiguration()) -> String? {
        for wanted in outputs {
            guard let index = got.indices.first(where: { got[$0].name.text == wanted.name }) else {
                return "the model has no output '\(escaped(wanted.name))'"
            }
            if let text = Self.difference(got[index], wanted, configuration) {
                return "output '\(escaped(wanted.name))' \(text)"
            }
        }
        // What nobody says anything of must be numbers at least.
        for index in got.indices where !outputs.contains(where: { $0.name == got[index].name.text }) {
            if let place = got[index].firstNotFinite {
                return "output '\(escaped(got[index].name.text))' is NaN or infinite at element \(place)"
            }
        }
        return nil
    }

    private static func difference(
        _ got: Tensor, _ wanted: NamedTensor, _ configuration: ModelConfiguration
    ) -> String? {
        if got.type != wanted.type { return "is \(got.type.name), not \(wanted.type.name)" }
        let shape = got.shape.array
        if shape != wanted.shape { return "is of shape \(written(shape)), not \(written(wanted.shape))" }
        if got.content.array == wanted.content { return nil }
        guard let tolerance = Tolerance(got.type, configuration) else { return "holds other elements than expected" }
        let expected = OwnedBytes(wanted.content)
        defer { withExtendedLifetime(expected) {} }
        var worst: (place: Int, got: Double, wanted: Double)?
        for index in 0..<got.realCount {
            let (one, other) = (got.content.real(index, got.type), expected.view.real(index, got.type))
            if tolerance.holds(one, other) { continue }
            // The first that is no number is told, else the one that is farthest off.
            if worst == nil || !one.isFinite || abs(one - other) > worst.map({ abs($0.got - $0.wanted) }) ?? 0 {
                worst = (index, one, other)
            }
            if !one.isFinite { break }
        }
        return worst.map { "is \($0.got) at element \($0.place), not \($0.wanted)" }
    }
}

extension Tensor {
    /// Floating-point elements; 0 for every other type.
    fileprivate var realCount: Int {
        switch type {
        case .float16, .bfloat16, .float32, .float64: content.count / (type.byteCount ?? 1)
        default: 0
        }
    }

    /// The first element that is NaN or infinite.
    var firstNotFinite: Int? { (0..<realCount).first { !content.real($0, type).isFinite } }
}

extension ByteView {
    fileprivate func real(_ index: Int, _ type: ElementType) -> Double {
        switch type {
        case .float16: Double(Float16(bitPattern: littleEndian(at: index * 2)))
        case .bfloat16: Double(Float(bitPattern: UInt32(littleEndian(at: index * 2, as: UInt16.self)) << 16))
        case .float32: Double(Float(bitPattern: littleEndian(at: index * 4)))
        default: Double(bitPattern: littleEndian(at: index * 8))
        }
    }
}
