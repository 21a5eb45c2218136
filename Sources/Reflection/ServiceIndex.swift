// Enters: a reflection request's message bytes. Leaves: the answer's message, from a table made at start.
public import Memory
public import Protobuf

/// Why a reflection request has no answer; what is asked for and not there is an answer.
public enum ReflectionError: Error, Equatable {
    case message(WireError)
    case arena(ArenaFull)

    public var sentence: String {
        switch self {
        case .message(let error): "the message is not a ServerReflectionRequest: \(error.sentence)"
        case .arena(let full): "the answer does not fit into the \(full.bytesMax) bytes that one call may use"
        }
    }
}

/// Answers `ServerReflectionInfo` of grpc.reflection.v1 and v1alpha, whose messages are the same.
///
/// Source: proto/grpc/reflection/v1/reflection.proto.
public final class ServiceIndex: Sendable {
    private let table: SymbolTable

    /// All services that the descriptors define, by full name, sorted.
    public var services: [String] { table.services }

    /// Reads the descriptors that are part of the program: once, at start.
    public init() {
        table = Self.read(descriptorSet)
    }

    private enum Question {
        case fileByName(ByteView)
        case fileContainingSymbol(ByteView)
        case fileContainingExtension(ByteView)
        case extensionNumbers(ByteView)
        case services
        case none
    }

    private enum ErrorCode: UInt64 {
        case invalidArgument = 3
        case notFound = 5
    }

    /// The answer to `message`, behind `headroom` free bytes. Nothing of `message` is referenced by it.
    ///
    /// What is not there, and a request that asks nothing, get an `error_response` (NOT_FOUND, INVALID_ARGUMENT) and the
    /// stream goes on.
    public func answer(
        _ message: ByteView, headroom: Int, in arena: inout Arena
    ) throws(ReflectionError) -> WireWriter {
        let host: ByteView
        let question: Question
        do throws(WireError) { (host, question) = try decode(message) } catch { throw .message(error) }
        do throws(ArenaFull) {
            // The request lies in a body that moves on while the answer waits to be sent: everything is copied.
            var writer = try WireWriter(headroom: headroom, referenceBytesMin: .max, in: &arena)
            try writer.string(1, host, in: &arena)
            try writer.element(2, message, in: &arena)
            try answer(question, to: &writer, in: &arena)
            return writer
        } catch {
            throw .arena(error)
        }
    }

    /// The last of several fields of the oneof wins, as everywhere in protobuf.
    private func decode(_ message: ByteView) throws(WireError) -> (host: ByteView, Question) {
        var host = ByteView.empty
        var question = Question.none
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: host = try field.string()
            case 3: question = .fileByName(try field.string())
            case 4: question = .fileContainingSymbol(try field.string())
            case 5: question = .fileContainingExtension(try containingType(field.message()))
            case 6: question = .extensionNumbers(try field.string())
            case 7:
                // What to list is not said by any client: all is listed.
                _ = try field.string()
                question = .services
            default: break
            }
        }
        return (host, question)
    }

    private func containingType(_ request: WireReader) throws(WireError) -> ByteView {
        var type = ByteView.empty
        var reader = request
        while let field = try reader.next() {
            if field.number == 1 { type = try field.string() }
        }
        return type
    }

    private func answer(
        _ question: Question, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        switch question {
        case .fileByName(let name):
            guard let file = table.fileIndex[name.text] else {
                return try refuse(.notFound, "no file \(quoted(name))", to: &writer, in: &arena)
            }
            try write(file: file, to: &writer, in: &arena)
        case .fileContainingSymbol(let name):
            guard let symbol = table.symbols[name.text] else {
                return try refuse(.notFound, "no symbol \(quoted(name))", to: &writer, in: &arena)
            }
            try write(file: symbol.file, to: &writer, in: &arena)
        case .fileContainingExtension(let type):
            try refuse(.notFound, "no extension of \(quoted(type))", to: &writer, in: &arena)
        case .extensionNumbers(let type):
            guard let symbol = table.symbols[type.text], symbol.isMessage else {
                return try refuse(.notFound, "no message type \(quoted(type))", to: &writer, in: &arena)
            }
            let response = try writer.begin(5, in: &arena)
            try writer.string(1, type, in: &arena)
            try writer.end(response, in: &arena)
        case .services:
            let response = try writer.begin(6, in: &arena)
            for name in table.services {
                let service = try writer.begin(1, in: &arena)
                try writer.string(1, arena.copy(name), in: &arena)
                try writer.end(service, in: &arena)
            }
            try writer.end(response, in: &arena)
        case .none:
            let sentence =
                "the request asks nothing: set one of file_by_filename, file_containing_symbol, list_services"
            try refuse(.invalidArgument, sentence, to: &writer, in: &arena)
        }
    }

    private func write(file: Int, to writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        let response = try writer.begin(4, in: &arena)
        for index in table.closure(of: file) {
            try writer.element(1, arena.copy(table.files[index].bytes), in: &arena)
        }
        try writer.end(response, in: &arena)
    }

    private func refuse(
        _ code: ErrorCode, _ sentence: String, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        let response = try writer.begin(7, in: &arena)
        try writer.number(1, code.rawValue, in: &arena)
        try writer.string(2, arena.copy(sentence), in: &arena)
        try writer.end(response, in: &arena)
    }

    private func quoted(_ name: ByteView) -> String {
        name.prefix(64).text.debugDescription + (name.count > 64 ? "…" : "")
    }

    private static func read(_ hexadecimal: StaticString) -> SymbolTable {
        let digits = ByteView(hexadecimal)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            bytes.append(value(ofDigit: digits[index]) << 4 | value(ofDigit: digits[index + 1]))
        }
        var arena = Arena(bytesMax: max(bytes.count, 4096))
        do {
            return try SymbolTable(set: arena.copy(bytes))
        } catch {
            preconditionFailure("the program's own descriptors: \(error)")
        }
    }

    private static func value(ofDigit digit: UInt8) -> UInt8 {
        digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
    }
}
