// Enters: Triton's requests about the repository. Leaves: values; and the index of its models. Control plane: values that own.
public import Memory
public import Protobuf

/// `inference.RepositoryIndexRequest`. Source: proto/inference/inference.proto.
public enum RepositoryIndexRequest {
    /// - Returns: whether only models that are ready are wanted. There is one repository, whatever it is called.
    public static func decode(_ message: ByteView) throws(OpenInferenceError) -> Bool {
        var isReadyWanted = false
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            if field.number == 2 { isReadyWanted = try reading { () throws(WireError) in try field.bool() } }
        }
        return isReadyWanted
    }
}

/// `inference.RepositoryIndexResponse`.
public struct RepositoryIndex: Equatable, Sendable {
    /// One version of one model; a model of which nothing is loaded stands there once, without a version.
    public struct Line: Equatable, Sendable {
        public var name: String
        public var version: String
        /// READY, UNAVAILABLE, LOADING or UNLOADING; empty: nothing is loaded.
        public var state: String
        public var reason: String

        public init(name: String, version: String = "", state: String = "", reason: String = "") {
            self.name = name
            self.version = version
            self.state = state
            self.reason = reason
        }
    }

    public var lines: [Line]

    public init(_ lines: [Line]) { self.lines = lines }

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 64 * lines.count, in: &arena)
        for line in lines {
            let mark = try writer.begin(1, in: &arena)
            try writer.string(1, arena.copy(line.name), in: &arena)
            try writer.string(2, arena.copy(line.version), in: &arena)
            try writer.string(3, arena.copy(line.state), in: &arena)
            try writer.string(4, arena.copy(line.reason), in: &arena)
            try writer.end(mark, in: &arena)
        }
        return writer
    }
}

/// `inference.RepositoryModelLoadRequest` and `RepositoryModelUnloadRequest`, which are alike.
public struct RepositoryModelRequest: Equatable, Sendable {
    public var model = ""
    /// The parameter `config`: Triton's model configuration, as JSON.
    public var configuration: String?
    /// The parameters `file:…`, whose bytes lie in the message.
    public struct File: Equatable, Sendable {
        public let key: String
        public let bytes: ByteView
    }

    public var files: [File] = []
    /// The parameter `force`, ours: whatever gates say.
    public var isForced = false
    /// The keys of parameters other than those.
    public var others: [String] = []

    public static func decode(_ message: ByteView) throws(OpenInferenceError) -> RepositoryModelRequest {
        try reading { () throws(WireError) in
            var request = RepositoryModelRequest()
            var reader = WireReader(message)
            while let field = try reader.next() {
                switch field.number {
                case 2: request.model = try field.string().text
                case 3: try request.take(field.message())
                default: break
                }
            }
            return request
        }
    }

    /// One entry of the map: a key and a `ModelRepositoryParameter`.
    private mutating func take(_ entry: WireReader) throws(WireError) {
        var key = ""
        var text: String?
        var bytes: ByteView?
        var truth: Bool?
        var reader = entry
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string().text
            case 2:
                var value = try field.message()
                while let field = try value.next() {
                    switch field.number {
                    case 1: truth = try field.bool()
                    case 3: text = try field.string().text
                    case 4: bytes = try field.bytes()
                    default: break
                    }
                }
            default: break
            }
        }
        if key == "config", let text {
            configuration = text
        } else if key.hasPrefix("file:"), let bytes {
            files.append(File(key: key, bytes: bytes))
        } else if key == "force", let truth {
            isForced = truth
        } else {
            others.append(key)
        }
    }
}
