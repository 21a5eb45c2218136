// Enters: what versions have done. Leaves: `inference.ModelStatisticsResponse`.
public import Memory
public import Protobuf
import Tensors

/// `inference.ModelStatisticsRequest`: a model, or all of them; a version of it, or all.
public enum ModelStatisticsRequest {
    /// - Returns: `nil`: all models. Its selector is `live` where no version is named, and all are meant.
    public static func decode(_ message: ByteView) throws(OpenInferenceError) -> ModelReference? {
        let reference = try ModelReference.read(message)
        return reference.model.isEmpty ? nil : reference
    }
}

/// What one version has done since it was loaded.
public struct ModelStatistics: BitwiseCopyable, Sendable {
    /// Since 1970, UTC; 0: nothing yet.
    public var lastMilliseconds: Int64 = 0
    public var rows = 0
    public var runs = 0
    public var callsAnswered = 0
    public var callsFailed = 0
    /// Of all calls together.
    public var queueNanoseconds: Int64 = 0
    public var computeNanoseconds: Int64 = 0

    public init() {}
}

public enum ModelStatisticsResponse {
    /// One element of `model_stats`.
    public static func write(
        _ statistics: ModelStatistics, model: ByteView, version: Int64, to writer: inout WireWriter,
        in arena: inout Arena
    ) throws(ArenaFull) {
        let mark = try writer.begin(1, in: &arena)
        try writer.string(1, model, in: &arena)
        try writer.string(2, decimal(version, in: &arena), in: &arena)
        try writer.number(3, statistics.lastMilliseconds, in: &arena)
        try writer.number(4, Int64(statistics.rows), in: &arena)
        try writer.number(5, Int64(statistics.runs), in: &arena)
        let calls = try writer.begin(6, in: &arena)
        func duration(_ field: Int, _ count: Int, _ nanoseconds: Int64) throws(ArenaFull) {
            let mark = try writer.begin(field, in: &arena)
            try writer.number(1, Int64(count), in: &arena)
            try writer.number(2, nanoseconds, in: &arena)
            try writer.end(mark, in: &arena)
        }
        let answered = statistics.callsAnswered
        try duration(1, answered, statistics.queueNanoseconds + statistics.computeNanoseconds)
        try duration(2, statistics.callsFailed, 0)
        try duration(3, answered, statistics.queueNanoseconds)
        // Inputs and outputs are not copied for a run, or the copy is part of it.
        try duration(4, answered, 0)
        try duration(5, answered, statistics.computeNanoseconds)
        try duration(6, answered, 0)
        try writer.end(calls, in: &arena)
        try writer.end(mark, in: &arena)
    }
}
