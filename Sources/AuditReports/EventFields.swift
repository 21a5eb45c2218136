// Enters: nothing. Leaves: the fields of records by name, with their numbers in proto/vencejo/audit/v1/audit.proto.

/// The event of a record, by its field number.
enum EventKind: Int, Sendable {
    case call = 3
    case admin, refused, gap, withheld, server, log, clock, keys, erasure, hold, retention, alarm
}

/// A field of one kind of event.
protocol EventField: RawRepresentable<Int>, Sendable {
    static var event: EventKind { get }
}

enum CallField: Int, EventField {
    static let event = EventKind.call
    case method = 1
    case principal, auth, credential, verdict, status, reason, asked, model, version, slot, artifact, epoch
    case read, queue, run, total, requestBytes, answerBytes, requestDigest, answerDigest, rows, batch, batchRows
    case batchFirst, imputed, clipped, outliers, cache, fallback, draw, sharePPM, exposure, message, trace, clockError
}

enum AdminField: Int, EventField {
    static let event = EventKind.admin
    case phase = 1
    case intent, verb, principal, auth, credential, author, reason, changes, steps, epoch, before, after
    case error, automatic
}

enum RefusedField: Int, EventField {
    static let event = EventKind.refused
    case reason = 1
    case network, listener, count, first, last
}

enum GapField: Int, EventField {
    static let event = EventKind.gap
    case kind = 1
    case reason, count, first, last
}

enum WithheldField: Int, EventField {
    static let event = EventKind.withheld
    case sequence = 1
}

enum ServerField: Int, EventField {
    static let event = EventKind.server
    case phase = 1
    case instance, version, runtime, options, host
}

enum LogField: Int, EventField {
    static let event = EventKind.log
    case reason = 1
    case agent, previousLog, previousSize, previousRoot, anchorSize
}

enum ClockField: Int, EventField {
    static let event = EventKind.clock
    case status = 1
    case maxError, estError, step, steppedBack
}

enum KeysField: Int, EventField {
    static let event = EventKind.keys
    case purpose = 1
    case kid, action
}

enum ErasureField: Int, EventField {
    static let event = EventKind.erasure
    case phase = 1
    case subject, keys, principal, reason
}

enum HoldField: Int, EventField {
    static let event = EventKind.hold
    case lifted = 1
    case subject, principal, reason
}

enum RetentionField: Int, EventField {
    static let event = EventKind.retention
    case oldestSeq = 1
    case oldestEntry, oldestPeriod, principal, policy, oldestLog
}

enum AlarmField: Int, EventField {
    static let event = EventKind.alarm
    case name = 1
    case text
}
