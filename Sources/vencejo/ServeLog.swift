// Enters: settings. Leaves: where the server's log goes.
import Logging
import Spans
import StructuredLog

extension Serve {
    func logger(_ settings: LogSettings) throws(Failure) -> Logger {
        var logger: Logger
        switch (settings.format, settings.file) {
        case (.text, _): logger = Logger(label: "vencejo") { StreamLogHandler.standardError(label: $0) }
        case (.json, nil): logger = Logger(label: "vencejo") { _ in JSONLogHandler(StandardError()) }
        case (.json, let path?):
            do throws(LogFileError) {
                let file = try RotatingFile(path, bytesMax: settings.bytesMax, files: settings.files)
                logger = Logger(label: "vencejo") { _ in JSONLogHandler(file) }
            } catch {
                throw .usage("\(Settings.Key.logFile.flag): \(error.sentence)")
            }
        }
        logger.logLevel = .info
        return logger
    }
}

extension TraceContext {
    /// The caller's ids, as logs name them.
    var metadata: Logger.Metadata {
        ["trace_id": "\(traceID.hex)", "span_id": "\(hexadecimal(spanID))"]
    }
}
