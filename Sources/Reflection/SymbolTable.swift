// Enters: serialized file descriptors. Leaves: which file defines which name, which files it needs, which services are.
import Memory
import Protobuf

/// What the descriptors say, in one walk at start. Field numbers: google/protobuf/descriptor.proto.
struct SymbolTable: Sendable {
    struct File: Sendable {
        var name = ""
        /// The serialized FileDescriptorProto.
        var bytes: [UInt8] = []
        var dependencies: [String] = []
    }

    struct Symbol: Sendable {
        let file: Int
        let isMessage: Bool
    }

    private(set) var files: [File] = []
    private(set) var fileIndex: [String: Int] = [:]
    private(set) var symbols: [String: Symbol] = [:]
    private(set) var services: [String] = []

    /// `set`: a serialized FileDescriptorSet.
    init(set: ByteView) throws(WireError) {
        var reader = WireReader(set)
        while let field = try reader.next() {
            if field.number == 1 { try add(file: field.bytes()) }
        }
        services.sort()
    }

    /// The file at `index`, then all that it needs, each once.
    func closure(of index: Int) -> [Int] {
        var found = [index]
        var next = 0
        while next < found.count {
            for name in files[found[next]].dependencies {
                guard let dependency = fileIndex[name] else { preconditionFailure("no descriptor of \(name)") }
                if !found.contains(dependency) { found.append(dependency) }
            }
            next += 1
        }
        return found
    }

    private mutating func add(file content: ByteView) throws(WireError) {
        var file = File()
        file.bytes = content.array
        var package = ""
        var reader = WireReader(content)
        while let field = try reader.next() {
            switch field.number {
            case 1: file.name = try field.string().text
            case 2: package = try field.string().text
            case 3: file.dependencies.append(try field.string().text)
            default: break
            }
        }
        fileIndex[file.name] = files.count
        files.append(file)
        // The package may stand behind what it names, hence the second walk.
        reader = WireReader(content)
        while let field = try reader.next() {
            switch field.number {
            case 4: try add(message: field.message(), in: package)
            case 5: try add(enumeration: field.message(), in: package)
            case 6: try add(service: field.message(), in: package)
            case 7: try add(leaf: field.message(), in: package)
            default: break
            }
        }
    }

    private mutating func add(message: WireReader, in scope: String) throws(WireError) {
        let name = try define(message, in: scope, isMessage: true)
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 2, 6, 8: try add(leaf: field.message(), in: name)
            case 3: try add(message: field.message(), in: name)
            case 4: try add(enumeration: field.message(), in: name)
            default: break
            }
        }
    }

    /// An enum's values are named beside it, as in C++: `package.VALUE`.
    private mutating func add(enumeration: WireReader, in scope: String) throws(WireError) {
        _ = try define(enumeration, in: scope)
        var reader = enumeration
        while let field = try reader.next() {
            if field.number == 2 { try add(leaf: field.message(), in: scope) }
        }
    }

    private mutating func add(service: WireReader, in scope: String) throws(WireError) {
        let name = try define(service, in: scope)
        services.append(name)
        var reader = service
        while let field = try reader.next() {
            if field.number == 2 { try add(leaf: field.message(), in: name) }
        }
    }

    /// A field, a oneof, an extension, an enum's value, a method: all have their name in field 1 and nothing inside.
    private mutating func add(leaf: WireReader, in scope: String) throws(WireError) {
        _ = try define(leaf, in: scope)
    }

    /// Enters the symbol under its full name, which it returns, as one of the file that was added last.
    private mutating func define(
        _ descriptor: WireReader, in scope: String, isMessage: Bool = false
    ) throws(WireError) -> String {
        var name = ""
        var reader = descriptor
        while let field = try reader.next() {
            if field.number == 1 { name = try field.string().text }
        }
        let fullName = scope.isEmpty ? name : "\(scope).\(name)"
        symbols[fullName] = Symbol(file: files.count - 1, isMessage: isMessage)
        return fullName
    }
}
