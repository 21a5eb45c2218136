// Enters: the path of ONNX Runtime's library. Leaves: the runtime, ready to make sessions, or why it is not.
import COnnxRuntime
import Glibc
import Memory

/// A runtime that is not to be had.
public enum RuntimeError: Error, Equatable, CustomStringConvertible {
    case cannotOpen(path: String, reason: String)
    case older(version: String, path: String)
    case unreadableVersion(String, path: String)
    /// So old that it lacks a function that we call; no option helps.
    case tooOld(version: String, path: String)
    case failed(version: String, path: String, reason: String)

    public var description: String {
        let tested = Runtime.testedVersion
        return switch self {
        case .cannotOpen(let path, let reason): "ONNX Runtime cannot be opened at \(path): \(reason)"
        case .older(let version, let path):
            "ONNX Runtime \(version) at \(path) is older than \(tested), which this build was tested with; "
                + "install \(tested) or later, or pass --allow-older-onnxruntime"
        case .unreadableVersion(let version, let path):
            "ONNX Runtime at \(path) calls its version '\(version)', which is no version; "
                + "install \(tested) or later, or pass --allow-older-onnxruntime"
        case .tooOld(let version, let path):
            "ONNX Runtime \(version) at \(path) lacks functions that this build calls; install \(tested) or later"
        case .failed(let version, let path, let reason):
            "ONNX Runtime \(version) at \(path) does not start: \(reason)"
        }
    }
}

/// ONNX Runtime, opened by path and asked for nothing but its table of functions.
///
/// There is one environment per process, whatever the number of `Runtime`s: a second one logs where the first does.
@safe public final class Runtime: Sendable {
    /// The oldest runtime that this build was tested with.
    public static var testedVersion: String { RuntimeVersion.tested.text }

    public let version: String
    let table: Table
    let environment: Owned
    /// Says that tensors lie in memory of ours.
    let memory: Owned
    private let allocatorPointer: Pointer

    /// Threads that models share which ask for more than one: a pool for all, so that cores are not promised twice.
    public struct Threads: Sendable, Equatable {
        /// Of one operator, the calling thread among them.
        public var intraOp = 1
        /// Across operators, where a model runs in parallel.
        public var interOp = 1

        public init() {}
    }

    /// `log` gets the runtime's warnings and errors, on whatever thread they arise; nothing is written to stdout.
    public init(
        path: String, allowOlder: Bool = false, threads: Threads = Threads(), log: @escaping @Sendable (String) -> Void
    ) throws(RuntimeError) {
        var reason: UnsafePointer<CChar>? = nil
        guard let base = unsafe ort_open(path, &reason) else {
            let text = unsafe reason.map { unsafe String(cString: $0) } ?? "it holds no OrtGetApiBase"
            throw .cannotOpen(path: path, reason: text)
        }
        version = unsafe String(cString: base.pointee.version())
        try Self.check(version: version, path: path, allowOlder: allowOlder)
        guard let slots = unsafe base.pointee.table(UInt32(ORT_TABLE_VERSION)) else {
            throw .tooOld(version: version, path: path)
        }
        let table = unsafe Table(slots)
        self.table = table
        do throws(RuntimeFailure) {
            environment = try unsafe Owned(table, releaseSlot: ORT_RELEASE_ENV) { env in
                // The environment may outlive this object, and logs until the process ends: so does the box.
                let context = unsafe Unmanaged.passUnretained(LogBox.kept(log)).toOpaque()
                return unsafe ort_create_env_with_threads(
                    table.slots, writeLog, context, CInt(ORT_SEVERITY_WARNING), "vencejo", Int32(threads.intraOp),
                    Int32(threads.interOp), &env)
            }
            try unsafe table.check(ort_disable_telemetry(table.slots, environment.pointer))
            memory = try unsafe Owned(table, releaseSlot: ORT_RELEASE_MEMORY) {
                unsafe ort_create_memory(table.slots, &$0)
            }
            var allocator: OpaquePointer? = nil
            try unsafe table.check(ort_allocator(table.slots, &allocator))
            allocatorPointer = unsafe Pointer(value: allocator.unsafelyUnwrapped)
        } catch {
            throw .failed(version: version, path: path, reason: error.text)
        }
    }

    /// The process's own allocator, of which the runtime makes strings.
    @unsafe var allocator: OpaquePointer { unsafe allocatorPointer.value }

    /// Whether a runtime of this version is one that the build may use.
    static func check(version: String, path: String, allowOlder: Bool) throws(RuntimeError) {
        guard !allowOlder else { return }
        guard let parsed = RuntimeVersion(version) else { throw .unreadableVersion(version, path: path) }
        guard parsed >= .tested else { throw .older(version: version, path: path) }
    }
}

/// A pointer that belongs to the process.
@safe private struct Pointer: @unchecked Sendable {
    let value: OpaquePointer
}

private final class LogBox: Sendable {
    let log: @Sendable (String) -> Void
    private static let all = Lock<[LogBox]>([])

    private init(_ log: @escaping @Sendable (String) -> Void) { self.log = log }

    /// A box that is there until the process ends.
    static func kept(_ log: @escaping @Sendable (String) -> Void) -> LogBox {
        let box = LogBox(log)
        all.withLock { $0.append(box) }
        return box
    }
}

private let writeLog: OrtLog = { context, severity, _, name, location, message in
    guard let context = unsafe context, let message = unsafe message else { return }
    let level =
        switch severity {
        case ..<Int32(ORT_SEVERITY_WARNING): "info"
        case Int32(ORT_SEVERITY_WARNING): "warning"
        case Int32(ORT_SEVERITY_ERROR): "error"
        default: "fatal"
        }
    let who = unsafe name.map { unsafe String(cString: $0) } ?? ""
    let place = unsafe location.map { unsafe String(cString: $0) } ?? ""
    let text = unsafe String(cString: message)
    unsafe Unmanaged<LogBox>.fromOpaque(context).takeUnretainedValue()
        .log("onnxruntime \(level): \(who): \(text) (\(place))")
}
