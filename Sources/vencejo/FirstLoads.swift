// Enters: what a server begins with. Leaves: how far that is, and a line for each version.
import Control
import Memory
import ONNX
import Synchronization
import Tensors

/// How far the first loads are.
final class Progress: Sendable {
    private let begun = Atomic<Int>(0)
    private let reported = Atomic<Int>(0)
    private let ended = Atomic<Int>(0)
    private let count: Int

    init(of count: Int) { self.count = count }

    /// The next to begin; `nil`: all have begun.
    func next() -> Int? {
        let index = begun.add(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }

    func report() -> (reported: Int, of: Int) { (reported.add(1, ordering: .relaxed).newValue, count) }

    /// One has ended: it is committed or failed. - Returns: whether all have.
    func end() -> Bool { ended.add(1, ordering: .acquiringAndReleasing).newValue == count }
}

/// ONNX Runtime, opened once, when a model first needs it.
final class LazyRuntime: Sendable {
    private let make: @Sendable (ONNX.Runtime.Threads) throws(Failure) -> ONNX.Runtime
    private let opened = Lock<ONNX.Runtime?>(nil)

    init(_ make: @escaping @Sendable (ONNX.Runtime.Threads) throws(Failure) -> ONNX.Runtime) { self.make = make }

    @discardableResult
    func open(threads: ONNX.Runtime.Threads) throws(Failure) -> ONNX.Runtime {
        try opened.withLock { (opened) throws(Failure) in
            if let opened { return opened }
            let runtime = try make(threads)
            opened = runtime
            return runtime
        }
    }

    func forLoading() throws(LoadError) -> ONNX.Runtime {
        do throws(Failure) { return try open(threads: ONNX.Runtime.Threads()) } catch {
            throw LoadError(sentence: "the server has no ONNX Runtime; its log says why", log: error.sentence)
        }
    }
}

extension LoadReport {
    var line: String {
        let subject =
            (place.map { "[\($0.reported)/\($0.of)] " } ?? "") + "model \(model), version \(version)"
            + (slot.map { ", \($0.name)" } ?? "")
        if let failure { return "\(subject): FAILED: \(failure)" }
        let milliseconds = Double(nanoseconds / 10_000) / 100
        return "\(subject): ready in \(milliseconds) ms"
            + (digest.isEmpty ? "" : ", \(bytes) bytes, sha256 \(digest.prefix(12))")
            + (manifest?.author.map { ", made by \(printable($0))" } ?? "")
            + (manifest?.parent.map { ", from \(printable($0))" } ?? "")
    }
}
