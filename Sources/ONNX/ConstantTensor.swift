// Enters: a TensorProto or an AttributeProto of a checked file. Leaves: its values, where the batch analysis asks for them.
import Memory
import Protobuf

/// A tensor of the file. Its values stay where they lie, and are read when a rule asks for them.
struct ConstantTensor {
    private(set) var name = ""
    private(set) var elementType: Int64 = 0
    private(set) var dimensions: [Int64] = []
    private let message: ByteView

    init(_ message: ByteView) throws(WireError) {
        self.message = message
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.append(to: &dimensions)
            case 2: elementType = try field.signed()
            case 8: name = try field.bytes().text
            default: break
            }
        }
    }

    var count: Int { dimensions.reduce(1) { $0.multipliedReportingOverflow(by: Int($1)).partialValue } }

    /// The values of a tensor of whole numbers or booleans of at most `countMax` elements; `nil`: it is another.
    func integers(countMax: Int) throws(WireError) -> [Int64]? {
        let width: Int
        switch elementType {
        case 7: width = 8
        case 6: width = 4
        case 9: width = 1
        default: return nil
        }
        guard count <= countMax else { return nil }
        var values: [Int64] = []
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 5 where width < 8, 7 where width == 8: try field.append(to: &values)
            case 9:
                let raw = try field.bytes()
                guard raw.count % width == 0 else { return nil }
                for offset in stride(from: 0, to: raw.count, by: width) {
                    switch width {
                    case 8: values.append(raw.littleEndian(at: offset, as: Int64.self))
                    case 4: values.append(Int64(raw.littleEndian(at: offset, as: Int32.self)))
                    default: values.append(Int64(raw[offset]))
                    }
                }
            default: break
            }
        }
        return values.count == count ? values : nil
    }

    /// The values of a tensor of float32 of at most `countMax` elements; `nil`: it is another.
    func floats(countMax: Int) throws(WireError) -> [Float]? {
        guard elementType == 1, count <= countMax else { return nil }
        var values: [Float] = []
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 4: values += try field.floats()
            case 9:
                let raw = try field.bytes()
                guard raw.count % 4 == 0 else { return nil }
                values += floatValues(raw)
            default: break
            }
        }
        return values.count == count ? values : nil
    }
}

private func floatValues(_ bytes: ByteView) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { Float(bitPattern: bytes.littleEndian(at: $0, as: UInt32.self)) }
}

extension WireField {
    fileprivate func floats() throws(WireError) -> [Float] { floatValues(try fixedElements(4)) }

    fileprivate func append(to values: inout [Int64]) throws(WireError) {
        do throws(WireOrBody<Never>) {
            try eachVarint { (value) throws(Never) in values.append(Int64(bitPattern: value)) }
        } catch {
            if case .wire(let error) = error { throw error }
        }
    }
}

extension ModelGraph.Attribute {
    static func named(_ message: ByteView) throws(WireError) -> (String, Self) {
        var (name, attribute) = ("", Self())
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.bytes().text
            case 2: attribute.float = try field.floats().last
            case 3: attribute.integer = try field.signed()
            case 4: attribute.string = try field.bytes()
            case 5: attribute.tensor = try ConstantTensor(try field.bytes())
            case 6: attribute.graph = try ModelGraph.Graph(try field.bytes())
            case 7: attribute.floats += try field.floats()
            case 8: try field.append(to: &attribute.integers)
            case 9: attribute.strings.append(try field.bytes())
            case 21: attribute.reference = try field.bytes().text
            default: break
            }
        }
        return (name, attribute)
    }
}
