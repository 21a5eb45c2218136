// Enters: an answer. Leaves: what is printed of it.
import Foundation
import Memory
import PredictionAPI
import Tensors

/// One answer, checked. Its views lie in the caller's arena.
struct Prediction {
    private struct Output {
        let name: String
        let type: String
        let shape: [Int64]
        let values: TensorValues
    }

    private let provenance: Provenance
    private let id: String
    private let outputs: [Output]
    private let milliseconds: Double

    /// `nanoseconds`: from the request's first byte to the answer's last.
    init(_ answer: Answer, nanoseconds: Int64) throws(PredictionDecodeError) {
        provenance = answer.provenance
        id = answer.id.text
        milliseconds = Double(nanoseconds / 1000) / 1000
        do throws(TensorError) {
            outputs = try answer.outputs.array.map { tensor throws(TensorError) in
                Output(
                    name: tensor.name.text, type: "\(tensor.type.name)", shape: tensor.shape.array,
                    values: try TensorValues(tensor))
            }
        } catch {
            throw .tensor(error)
        }
    }

    /// Schema 1.
    var json: JSON {
        .object([
            ("schema", .number(1)), ("request_id", .string(id)), ("milliseconds", .literal("\(milliseconds)")),
            (
                "provenance",
                .object([
                    ("model", .string(provenance.model.text)), ("version", .number(provenance.version)),
                    ("slot", provenance.slot.map { .string("\($0.name)") } ?? .null),
                    ("epoch", .number(Int64(clamping: provenance.epoch))),
                    ("artifact_digest", .string(provenance.artifactDigest.array.hex)),
                ])
            ),
            (
                "outputs",
                .array(
                    outputs.map {
                        .object([
                            ("name", .string($0.name)), ("type", .string($0.type)), ("shape", .numbers($0.shape)),
                            ("data", $0.values.json),
                        ])
                    })
            ),
        ])
    }

    /// For people: values as far as a line goes.
    func table(columns: Int) -> String {
        let heads = outputs.map { [printable($0.name), $0.type, written($0.shape)] }
        let titles = ["OUTPUT", "TYPE", "SHAPE"]
        let used = titles.indices.reduce(0) { sum, column in
            sum + 2 + ([titles[column]] + heads.map { $0[column] }).map(\.count).reduce(0, max)
        }
        let rows = zip(heads, outputs).map { $0 + [$1.values.line(width: max(24, columns - used))] }
        let digest = provenance.artifactDigest.array.hex.prefix(12)
        let facts =
            [
                "model \(printable(provenance.model.text))", "version \(provenance.version)",
                provenance.slot.map { "slot \($0.name)" } ?? "no slot", "epoch \(provenance.epoch)",
            ]
            + (digest.isEmpty ? [] : ["sha256 \(digest)"]) + (id.isEmpty ? [] : ["request \(printable(id))"])
            + ["\(milliseconds) ms"]
        return vencejo.table(titles + ["VALUES"], rows) + "\n\n" + facts.joined(separator: ", ")
    }
}

/// A peer's text on a terminal: control characters escaped, as JSON does. Quotes and backslashes stay as they are.
func printable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
        if scalar == "\"" || scalar == "\\" {
            result.unicodeScalars.append(scalar)
        } else {
            result += JSON.text(String(scalar)).dropFirst().dropLast()
        }
    }
}

enum Terminal {
    /// Columns of a line: what the shell says, or 100.
    static var columns: Int {
        ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }.map { min(max(40, $0), 10_000) } ?? 100
    }
}
