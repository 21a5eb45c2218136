// Enters: nothing. Leaves: what the agent asks of its machine: time, folders of logs, sockets, and a place for what it says.
public import Audit

/// One moment of both clocks.
public struct AgentTime: Equatable, Sendable {
    /// Since 1970; an operator or NTP may set it.
    public var unixNanoseconds: UInt64
    /// Never goes back.
    public var nanoseconds: UInt64

    public init(unixNanoseconds: UInt64, nanoseconds: UInt64) {
        self.unixNanoseconds = unixNanoseconds
        self.nanoseconds = nanoseconds
    }
}

/// adjtimex(2): what the kernel knows of its clock.
public struct ClockState: Equatable, Sendable {
    public var status: UInt32
    public var maxErrorMicroseconds: UInt64
    public var estErrorMicroseconds: UInt64

    public init(status: UInt32, maxErrorMicroseconds: UInt64, estErrorMicroseconds: UInt64) {
        self.status = status
        self.maxErrorMicroseconds = maxErrorMicroseconds
        self.estErrorMicroseconds = estErrorMicroseconds
    }
}

public protocol AgentClock {
    var now: AgentTime { get }
    var state: ClockState { get }
}

/// The audit folder: one folder in it for each log.
public protocol AuditFolders {
    associatedtype Volume: AuditVolume

    /// Of all that lies in it.
    func names() throws(VolumeError) -> [String]
    func open(_ name: String) throws(VolumeError) -> Volume
    /// Makes a folder that was not there, for good.
    func make(_ name: String) throws(VolumeError) -> Volume
}

/// To a server's socket for the acknowledgements of one ring (SOCK_SEQPACKET).
public protocol AcknowledgementSocket: AnyObject {
    /// False: the server is gone, or takes no more; the packet was not sent.
    func send(_ packet: [UInt8]) -> Bool
    /// The server has closed it.
    var isClosed: Bool { get }
}

public protocol AcknowledgementSockets {
    /// `nil`: no server takes it now.
    func connect(_ path: String) -> (any AcknowledgementSocket)?
    /// Of a server that is dead.
    func remove(_ path: String)
}

/// Where the agent says what an operator should know. It never holds what a client sent.
public struct AgentVoice {
    public enum Level: Sendable { case info, warning, error }

    public let say: (Level, String) -> Void
    /// Gets each checkpoint as a line of JSON, without its end, when all that it covers is durable.
    public let anchor: (String) -> Void

    public init(say: @escaping (Level, String) -> Void, anchor: @escaping (String) -> Void) {
        self.say = say
        self.anchor = anchor
    }
}

/// Why the agent does not start.
public struct AgentError: Error, Equatable, Sendable {
    public let sentence: String
    public init(sentence: String) { self.sentence = sentence }
}
