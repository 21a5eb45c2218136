// Enters: grpc-timeout. Leaves: nanoseconds.
public import Memory

public enum TimeoutError: Error, Equatable {
    /// Not 1 to 8 digits and a unit; at most the value's first 64 bytes, quoted.
    case malformed(String)

    public var sentence: String {
        switch self {
        case .malformed(let value):
            "grpc-timeout \(value) is not 1 to 8 digits and one of the units H, M, S, m, u, n (500m is half a second)"
        }
    }
}

/// Source: gRPC over HTTP/2, "Timeout".
public enum Timeout {
    /// How long the caller waits, in nanoseconds from the arrival of the headers. What does not fit (99999999H is eleven
    /// thousand years) becomes `Int64.max`; 0 is allowed and has passed at once.
    public static func nanoseconds(_ value: ByteView) throws(TimeoutError) -> Int64 {
        guard value.count >= 2, value.count <= 9, let unit = unitNanoseconds(value[value.count - 1]) else {
            throw .malformed(value.quoted)
        }
        var number: Int64 = 0
        for index in 0..<value.count - 1 {
            let byte = value[index]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { throw .malformed(value.quoted) }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? .max : nanoseconds
    }

    private static func unitNanoseconds(_ unit: UInt8) -> Int64? {
        switch unit {
        case UInt8(ascii: "H"): 3_600_000_000_000
        case UInt8(ascii: "M"): 60_000_000_000
        case UInt8(ascii: "S"): 1_000_000_000
        case UInt8(ascii: "m"): 1_000_000
        case UInt8(ascii: "u"): 1000
        case UInt8(ascii: "n"): 1
        default: nil
        }
    }
}
