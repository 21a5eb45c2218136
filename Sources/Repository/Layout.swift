// Enters: names as they lie in a folder, limits. Leaves: which of them are models and versions.

/// `<repository>/<model>/<version>/model.onnx`, and `<repository>/<model>/model.yaml` where the model file does not say
/// everything: the layout of Triton and TensorFlow Serving.
enum Layout {
    static let modelFile = "model.onnx"
    static let configurationFile = "model.yaml"
    /// Triton's, in its place.
    static let tritonFile = "config.pbtxt"
    /// Beside the versions: what Triton's warm-ups send.
    static let warmUpFolder = "warmup"
    static let manifestFile = "manifest.json"
    /// Where versions go on their way out.
    static let trash = ".trash"
    static let nameBytesMax = 128

    /// What metrics call models that are not there, and those that they have no room for.
    private static let namesOfMetrics = ["_unknown", "_overflow"]

    /// `[A-Za-z0-9._-]{1,128}`, not `.` and not `..`, and none of the names that metrics use.
    static func isModelName(_ name: String) -> Bool {
        let bytes = name.utf8
        guard 1...nameBytesMax ~= bytes.count, name != ".", name != "..", !namesOfMetrics.contains(name) else {
            return false
        }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
    }

    /// Names that belong to other programs: `..data` (Kubernetes), `.git`, `_SUCCESS`; and copies that are under way.
    static func isIgnored(_ name: String) -> Bool {
        name.hasPrefix(".") || name.hasPrefix("_") || name.hasSuffix(".partial") || name.hasSuffix(".tmp")
    }

    /// `[1-9][0-9]*` up to 2^63 - 1, as in TensorFlow Serving, whose versions are often times; every other name is no version.
    static func version(_ name: String) -> Int64? {
        let bytes = name.utf8
        guard 1...19 ~= bytes.count, bytes.first != UInt8(ascii: "0") else { return nil }
        guard bytes.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return nil }
        return Int64(name)
    }

    static func isVersion(_ version: Int64) -> Bool { version > 0 }

    /// Whether a folder of this name was probably meant to be a version: "v3", "01", "1.0".
    static func resemblesVersion(_ name: String) -> Bool {
        let rest = name.first == "v" || name.first == "V" ? name.dropFirst() : name[...]
        return rest.first?.isASCII == true && rest.first?.isNumber == true
    }

    /// `name` fit for a log line: what is not a printable ASCII character is written as `\u{…}`, and the end of what is
    /// very long is left out.
    static func printable(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars.prefix(nameBytesMax) {
            if (0x20..<0x7f).contains(scalar.value) && scalar != "\\" {
                text.unicodeScalars.append(scalar)
            } else {
                text += scalar.escaped(asASCII: true)
            }
        }
        return name.unicodeScalars.count > nameBytesMax ? text + "…" : text
    }
}

/// What a repository may ask of us.
public struct RepositoryLimits: Sendable {
    /// One model file; it is read into memory whole. 2 GiB is also where protobuf ends.
    public var modelBytesMax = 2 << 30
    /// A larger model file leaves the page cache as it is read.
    public var cachedBytesMax = 64 << 20
    /// All golden files of a version.
    public var goldenBytesMax = 256 << 20
    /// One `model.yaml`.
    public var configurationBytesMax = 1 << 20
    /// One tensor that a model is warmed up with.
    public var warmUpBytesMax = 64 << 20
    /// One `manifest.json`.
    public var manifestBytesMax = 1 << 20
    /// Entries of any one folder, the repository's own included.
    public var entriesMax = 10_000

    public init() {}
}
