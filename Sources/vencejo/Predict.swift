// Enters: a model's name and inputs. Leaves: one prediction, as a table or as JSON, and who made it.
import ArgumentParser
import Foundation
import GRPC
import Memory
import PredictionAPI
import Protobuf
import Reactor
import Tensors

struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make one prediction.",
        discussion: """
            An input is NAME=VALUE. The value is JSON, whose nested lists give the shape; @FILE.json; or FILE.npy, as \
            numpy.save writes it. Of JSON the type comes from the model; NaN is "NaN", bytes are {"base64": "…"}. Where a \
            model has one input its name may be left out, and a JSON object gives several inputs.

            Examples:
              vencejo predict iris --input '[[5.1, 3.5, 1.4, 0.2]]'
              vencejo predict iris --input X=batch.npy --version 2 -o json
              vencejo predict ranker --input '{"user": [[1]], "text": [["a"]]}'
            """)

    @Argument(help: "The model's name.") var model: String
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("One input; may be given several times.", valueName: "name=value"))
    var input: [String] = []
    @Option(help: ArgumentHelp("The version. Default: the live one.", valueName: "number")) var version: Int64?
    @Option(help: "A label that points to the version.") var label: String?
    @Option(help: "The slot that the version stands in.") var slot: SlotName?
    @Option(
        help: ArgumentHelp("An output that is wanted; may be given several times. Default: all.", valueName: "name"))
    var outputName: [String] = []
    @Option(help: ArgumentHelp("Your own id of this call; stands in the answer.", valueName: "id")) var requestId:
        String?
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        if [version != nil, label != nil, slot != nil].count(where: { $0 }) > 1 {
            throw Failure.usage("--version, --label and --slot exclude each other: give one of them")
        }
        let arguments = try input.map { text throws(Failure) in try InputArgument(text) }
        let client = try server.connect()
        do {
            try predict(arguments, client)
        } catch let error as ClientError {
            throw error.failure(at: client.endpoint)
        } catch let error as ArenaFull {
            throw Failure(
                code: .failed, sentence: "the call needs more than \(error.bytesMax) bytes of memory: send less")
        }
    }

    private func predict(_ arguments: [InputArgument], _ client: Client) throws {
        var specifications: [TensorSpecification] = []
        if arguments.contains(where: \.needsSignature) {
            specifications = try client.inputs(of: model, version: version.map { "\($0)" } ?? label ?? "")
        }
        let inputs = try arguments.flatMap { try $0.tensors(for: specifications, of: model) }
        var arena = Arena(bytesMax: 1 << 36)
        let request = try encode(inputs, in: &arena)
        let start = Clock.now()
        let message = try client.call("/vencejo.v1.PredictionService/Predict", request, in: &arena)
        let nanoseconds = Clock.now() - start
        let prediction: Prediction
        do throws(PredictionDecodeError) {
            prediction = try Prediction(try PredictResponse.decode(message, in: &arena), nanoseconds: nanoseconds)
        } catch {
            throw ClientError.status(.internal, "the server's answer does not decode: \(error.sentence)")
        }
        switch options.output {
        case .json: print(prediction.json.pretty)
        case .table: print(prediction.table(columns: Terminal.columns))
        }
    }

    private func encode(_ inputs: [NamedTensor], in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var call = Call()
        call.model = try arena.copy(model)
        if let version { call.selector = .number(version) }
        if let label { call.selector = .label(try arena.copy(label)) }
        if let slot { call.selector = .slot(slot.slot) }
        call.id = try arena.copy(requestId ?? "")
        for input in inputs { try call.inputs.append(try input.tensor(in: &arena), in: &arena) }
        for name in outputName { try call.outputs.append(try arena.copy(name), in: &arena) }
        return try PredictRequest.encode(call, headroom: headroomBytes, in: &arena)
    }
}

enum SlotName: String, ExpressibleByArgument, CaseIterable {
    case blue, green, shadow

    var slot: Slot {
        switch self {
        case .blue: .blue
        case .green: .green
        case .shadow: .shadow
        }
    }
}
