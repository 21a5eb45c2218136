// Enters: a file by hand and what should come of it. Leaves: a row of a test.
import Memory
import Testing

@testable import ONNX

private typealias M = ModelBytes

func check(
    _ file: [UInt8], _ change: (inout ModelFileLimits) -> Void = { _ in }
) throws(ModelFileError) -> ModelFileFacts {
    var limits = ModelFileLimits()
    change(&limits)
    return try unsafe file.span.bytes.withUnsafeBytes { (bytes) throws(ModelFileError) in
        try unsafe ModelFileCheck.check(ByteView(bytes), limits: limits)
    }
}

struct FileRow: Sendable, CustomTestStringConvertible {
    let name: String
    let file: [UInt8]
    let error: ModelFileError?
    var testDescription: String { name }

    init(_ name: String, _ file: [UInt8], _ error: ModelFileError?) {
        (self.name, self.file, self.error) = (name, file, error)
    }

    /// Walks the file and compares what came of it.
    func walk() {
        do throws(ModelFileError) {
            _ = try check(file)
            #expect(error == nil)
        } catch {
            #expect(error == self.error)
            #expect(!error.sentence.isEmpty && error.sentence.unicodeScalars.allSatisfy { $0.value >= 32 })
        }
    }
}

func model(tensor: [UInt8]) -> [UInt8] {
    M.model(M.graph(nodes: [M.node("Neg", ["w"], ["y"])], tensors: [tensor]))
}

func model(node: [UInt8]) -> [UInt8] { M.model(M.graph(nodes: [node])) }

func model(attribute: [UInt8]) -> [UInt8] { model(node: M.node("If", ["x"], ["y"], attributes: [attribute])) }
