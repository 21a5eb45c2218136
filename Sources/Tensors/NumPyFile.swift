// Enters: the bytes of a .npy file. Leaves: type, shape and elements, as a tensor has them.

public struct NumPyError: Error {
    /// What is wrong with the file, and what to do.
    public let sentence: String
}

/// An array as `numpy.save` writes it. Source: numpy.lib.format, versions 1.0, 2.0 and 3.0.
public struct NumPyFile: Sendable {
    public let type: ElementType
    public let shape: [Int64]
    /// As on the wire.
    public let content: [UInt8]

    public init(_ file: [UInt8]) throws(NumPyError) {
        guard file.count >= 12, file.starts(with: [0x93] + Array("NUMPY".utf8)) else {
            throw NumPyError(sentence: "it does not begin as a .npy file: write it with numpy.save")
        }
        guard (1...3).contains(file[6]) else {
            throw NumPyError(sentence: "its format is version \(file[6]).\(file[7]); known are 1, 2 and 3")
        }
        let lengthBytes = file[6] == 1 ? 2 : 4
        let headerBytes = file[8..<8 + lengthBytes].reversed().reduce(0) { $0 << 8 | Int($1) }
        let start = 8 + lengthBytes
        guard headerBytes <= file.count - start else { throw NumPyError(sentence: "it ends inside its header") }
        let header = String(decoding: file[start..<start + headerBytes], as: UTF8.self)
        let elements = Array(file[(start + headerBytes)...])
        let (dtype, shape) = try Self.read(header)
        let (count, overflows) = shape.reduce((Int64(1), false)) { product, dimension in
            let (next, overflow) = product.0.multipliedReportingOverflow(by: dimension)
            return (next, product.1 || overflow)
        }
        let (bytes, overflowsToo) = count.multipliedReportingOverflow(by: Int64(dtype.itemBytes))
        // Elements without a byte could be any number.
        guard !overflows, !overflowsToo, bytes == elements.count, dtype.itemBytes > 0 || count <= 1 << 20 else {
            throw NumPyError(
                sentence: "it holds \(elements.count) bytes of elements, which is not what shape \(written(shape)) of "
                    + "\"\(dtype.text)\" takes: it was cut or damaged, write it again")
        }
        self.shape = shape
        switch dtype.kind {
        case .numbers(let type):
            self.type = type
            content = elements
        case .text:
            type = .bytes
            content = try Self.strings(elements, Int(count), dtype)
        }
    }

    private struct ElementFormat {
        enum Kind: Equatable {
            case numbers(ElementType)
            case text
        }

        let text: String
        let kind: Kind
        let itemBytes: Int
        /// Four-byte characters.
        let isUnicode: Bool
    }

    /// The header: a Python dictionary with exactly three keys, written by numpy.
    private static func read(_ header: String) throws(NumPyError) -> (ElementFormat, [Int64]) {
        guard let order = value("fortran_order", in: header), let descr = value("descr", in: header),
            let shape = value("shape", in: header), shape.hasPrefix("("), let end = shape.firstIndex(of: ")")
        else { throw NumPyError(sentence: "its header is not one that numpy writes: \(quoted(header))") }
        guard order.hasPrefix("False") else {
            throw NumPyError(
                sentence: "its elements are in Fortran's order: save numpy.ascontiguousarray(array) instead")
        }
        var dimensions: [Int64] = []
        for part in shape[..<end].dropFirst().split(separator: ",") {
            let text = part.filter { $0 != " " }
            guard let dimension = Int64(text), dimension >= 0 else {
                if text.isEmpty { continue }
                throw NumPyError(
                    sentence: "its shape \(quoted(String(shape[...end]))) has a dimension that is no number")
            }
            dimensions.append(dimension)
        }
        guard descr.hasPrefix("'"), let close = descr.dropFirst().firstIndex(of: "'") else {
            throw NumPyError(sentence: "it holds records of several fields: save each field as an array of its own")
        }
        return (try format(String(descr[..<close].dropFirst())), dimensions)
    }

    private static func value(_ key: String, in header: String) -> Substring? {
        guard let found = header.firstRange(of: "'\(key)':") else { return nil }
        return header[found.upperBound...].drop { $0 == " " }
    }

    private static func format(_ text: String) throws(NumPyError) -> ElementFormat {
        let numbers: [String: ElementType] = [
            "b1": .bool, "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "i1": .int8, "i2": .int16,
            "i4": .int32, "i8": .int64, "f2": .float16, "V2": .bfloat16, "f4": .float32, "f8": .float64,
        ]
        let name = String(text.dropFirst())
        if text.hasPrefix(">") {
            throw NumPyError(
                sentence: "its elements are big-endian (\"\(text)\"): save array.astype(\"<\(name)\") instead")
        }
        if let type = numbers[name], let bytes = type.byteCount {
            return ElementFormat(text: text, kind: .numbers(type), itemBytes: bytes, isUnicode: false)
        }
        if let kind = name.first, kind == "S" || kind == "U", let characters = UInt16(name.dropFirst()) {
            return ElementFormat(
                text: text, kind: .text, itemBytes: Int(characters) * (kind == "U" ? 4 : 1), isUnicode: kind == "U")
        }
        if name.hasPrefix("O") {
            throw NumPyError(sentence: "it holds Python objects: save array.astype(\"S\") for texts instead")
        }
        throw NumPyError(
            sentence:
                "no tensor has elements of \"\(text)\"; known are b1, u1 … u8, i1 … i8, f2, f4, f8, V2 (bfloat16), "
                + "S and U")
    }

    /// Texts of one width, padded with zeros: each becomes a length and its bytes.
    private static func strings(
        _ elements: [UInt8], _ count: Int, _ format: ElementFormat
    ) throws(NumPyError) -> [UInt8] {
        var content: [UInt8] = []
        for index in 0..<count {
            var item = elements[index * format.itemBytes..<(index + 1) * format.itemBytes]
            if format.isUnicode { item = ArraySlice(try utf8(item)) }
            while item.last == 0 { item.removeLast() }
            content.append(bytesElement: item)
        }
        return content
    }

    private static func utf8(_ item: ArraySlice<UInt8>) throws(NumPyError) -> [UInt8] {
        var text = ""
        for start in stride(from: item.startIndex, to: item.endIndex, by: 4) {
            let value = item[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard let scalar = Unicode.Scalar(value) else {
                throw NumPyError(sentence: "it holds a text with U+\(String(value, radix: 16)), which is no character")
            }
            text.unicodeScalars.append(scalar)
        }
        return Array(text.utf8)
    }
}

extension [UInt8] {
    /// One element of a BYTES tensor: a little-endian 32-bit length and that many bytes.
    public mutating func append(bytesElement element: some Collection<UInt8>) {
        append(littleEndian: UInt32(element.count))
        append(contentsOf: element)
    }

    public mutating func append(littleEndian value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}
