// Enters: nothing. Leaves: the time of both clocks, and what the kernel knows of them; signals that came.
internal import CClock
internal import Glibc

public struct SystemClock: AgentClock {
    private static let apartNanosecondsMax: UInt64 = 200_000
    private static let attempts = 4

    public init() {}

    /// Both were read within 200 µs, as far as the machine lets the process run: a pause between them would look like a step.
    public var now: AgentTime {
        var best = AgentTime(unixNanoseconds: 0, nanoseconds: 0)
        var apart = UInt64.max
        for _ in 0..<Self.attempts where apart > Self.apartNanosecondsMax {
            let before = Self.read(CLOCK_MONOTONIC)
            let wall = Self.read(CLOCK_REALTIME)
            let after = Self.read(CLOCK_MONOTONIC)
            guard after - before < apart else { continue }
            apart = after - before
            best = AgentTime(unixNanoseconds: wall, nanoseconds: before + apart / 2)
        }
        return best
    }

    public var state: ClockState {
        let state = clock_kernel_state()
        // TIME_ERROR, STA_UNSYNC: a kernel that does not answer knows no better.
        return ClockState(
            status: state.is_read == 0 ? 0x40 : state.status, maxErrorMicroseconds: state.max_error_microseconds,
            estErrorMicroseconds: state.est_error_microseconds)
    }

    /// Processor time that this process has used.
    static var processorNanoseconds: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    static var processID: Int32 { getpid() }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let code = unsafe clock_gettime(clock, &time)
        precondition(code == 0, "clock \(clock) cannot be read")
        return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Signals, taken between two steps by the thread that runs them.
public enum AgentSignals {
    public enum Signal: Sendable { case end, reload }

    /// To be called before anything else: SIGTERM, SIGINT and SIGHUP wait for `next`; a closed pipe is an error of write(2).
    public static func take() {
        signal(SIGPIPE, SIG_IGN)
        var set = wanted
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// The next signal; `nil`: none came within that time.
    public static func next(withinNanoseconds limit: UInt64) -> Signal? {
        var set = wanted
        var time = timespec(tv_sec: Int(limit / 1_000_000_000), tv_nsec: Int(limit % 1_000_000_000))
        switch unsafe sigtimedwait(&set, nil, &time) {
        case SIGTERM, SIGINT: return .end
        case SIGHUP: return .reload
        default: return nil
        }
    }

    private static var wanted: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&set, number) }
        return set
    }
}
