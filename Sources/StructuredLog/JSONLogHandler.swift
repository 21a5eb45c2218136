// Enters: what a program says. Leaves: a line of JSON for each record: time, level, message, then what else is known.
public import Foundation
public import Logging

/// A handler for swift-log. Who logs a call gives its ids as metadata: `trace_id` and `span_id` stand next to the message.
public struct JSONLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let lines: any LogLines
    private let now: @Sendable () -> Date

    public init(_ lines: any LogLines, level: Logger.Level = .info, now: @escaping @Sendable () -> Date = { Date() }) {
        self.lines = lines
        logLevel = level
        self.now = now
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let given = event.metadata { all.merge(given) { $1 } }
        var line = JSONLine()
        line.add("time", now().formatted(Self.time))
        line.add("level", event.level.rawValue)
        line.add("message", event.message.description)
        for key in Self.ids {
            if let value = all.removeValue(forKey: key) { line.add(key, value) }
        }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            // A key is there once.
            line.add(Self.ours.contains(key) ? key + "_" : key, value)
        }
        lines.write(line.finish())
    }

    private static let ours: Set = ["time", "level", "message"]
    private static let ids = ["trace_id", "span_id"]
    /// RFC 3339, in UTC, with milliseconds.
    private static let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}

/// Where lines go. Each is one line of UTF-8, without its end.
public protocol LogLines: Sendable {
    func write(_ line: [UInt8])
}

/// Lines on standard error, each in one write.
public struct StandardError: LogLines {
    public init() {}

    public func write(_ line: [UInt8]) {
        // If nobody takes them there is nobody to tell.
        try? FileHandle.standardError.write(contentsOf: line + [UInt8(ascii: "\n")])
    }
}
