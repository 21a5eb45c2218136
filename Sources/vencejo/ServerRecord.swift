// Enters: a stage of the server's life. Leaves: message Server of vencejo.audit.v1.
import Control
import Foundation
import Memory
import Protobuf
import RecordRing
import Serving
import Tensors

struct ServerRecord {
    enum Phase: UInt64 {
        case started = 1
        case draining, ended
    }

    let phase: Phase
    let instance: RecordInstance?
    /// `nil`: they stand in the record of its start.
    let settings: Settings?

    init(_ phase: Phase, instance: RecordInstance?, _ settings: Settings? = nil) {
        (self.phase, self.instance, self.settings) = (phase, instance, settings)
    }

    var encoded: [UInt8] {
        var arena = Arena(firstChunkBytes: 1024, bytesMax: 64 << 10)
        do throws(ArenaFull) {
            var writer = try WireWriter(headroom: 0, in: &arena)
            try writer.number(1, phase.rawValue, in: &arena)
            if let instance { try writer.string(2, try arena.copy(instance.bytes), in: &arena) }
            guard let settings else { return try writer.whole(headroom: 0, in: &arena).array }
            try writer.string(3, ByteView(Product.version), in: &arena)
            try writer.string(4, try arena.copy(runtime(settings)), in: &arena)
            for option in settings.replayed { try writer.element(5, try arena.copy(option), in: &arena) }
            try writer.string(6, try arena.copy(ProcessInfo.processInfo.hostName), in: &arena)
            return try writer.whole(headroom: 0, in: &arena).array
        } catch {
            return []
        }
    }

    private func runtime(_ settings: Settings) -> String {
        "onnxruntime \(settings.onnxRuntime), tested \(Libraries.testedOnnxRuntime); nghttp2 \(Libraries.nghttp2); "
            + "openssl \(Libraries.openssl)"
    }
}

extension Settings {
    /// What an answer may depend on beside the model and the request.
    fileprivate var replayed: [String] {
        [
            "repository=\(repository)", "repository_mode=\(mode.rawValue)", "shards=\(shards)",
            "executors=\(limits.executors)", "answers=\(answers.rawValue)",
            "message_bytes_max=\(limits.messageBytesMax)",
        ]
    }
}
