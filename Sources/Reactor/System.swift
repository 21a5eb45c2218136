// Enters: a system call's result. Leaves: a value, or an error with a type. The one place that reads errno.
import CLinux
import Glibc

public struct SystemError: Error, Equatable, CustomStringConvertible {
    public let code: CInt
    public init(code: CInt) { self.code = code }
    public var description: String { unsafe String(cString: strerror(code)) }
}

/// Repeats what a signal interrupted; stops on what can only be our own mistake.
func systemCall(_ call: () -> Int) throws(SystemError) -> Int {
    while true {
        let result = call()
        guard result < 0 else { return result }
        let code = errno
        precondition(code != EBADF && code != EFAULT, "system call misused: \(code)")
        if code != EINTR { throw SystemError(code: code) }
    }
}

/// `nil`: not now, the call would block.
func systemCallUnlessBlocked(_ call: () -> Int) throws(SystemError) -> Int? {
    do throws(SystemError) {
        return try systemCall(call)
    } catch {
        if error.code == EAGAIN || error.code == EWOULDBLOCK { return nil }
        throw error
    }
}

/// An open descriptor. Dropping the value closes it; it cannot be closed twice.
public struct Descriptor: ~Copyable, Sendable {
    public let rawValue: CInt
    public init(adopting rawValue: CInt) { self.rawValue = rawValue }
    deinit { close(rawValue) }
}

/// A file of /proc or /sys, which one read gives whole, up to its first `bytesMax` bytes. Empty: it cannot be read.
func kernelText(_ path: String, bytesMax: Int = 256) -> String {
    let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { return "" }
    let file = Descriptor(adopting: opened)
    var bytes = [UInt8](repeating: 0, count: bytesMax)
    let count = unsafe read(file.rawValue, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
}

/// The shard's clock: monotonic, nanoseconds.
public enum Clock {
    public static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Since 1970, UTC: for people, not for intervals.
    public static func wallMilliseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// The same in nanoseconds.
    public static func wallNanoseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The processor's time, in nanoseconds, that a process has used with all its threads; 0 names our own. Linux has
    /// processes up to number 4194304 (2^22); a clock of a much larger one would be somebody else's.
    public static func processorNanoseconds(of process: Int32 = 0) throws(SystemError) -> Int64 {
        var clock = clockid_t()
        // It returns its error, and leaves errno alone.
        let result = unsafe clock_getcpuclockid(process, &clock)
        guard result == 0 else { throw SystemError(code: result) }
        var time = timespec()
        // A process may end between the two calls.
        _ = try systemCall { unsafe Int(clock_gettime(clock, &time)) }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// A thread of our own, named for those who look at it from outside.
public enum Thread {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// A started thread; `join` waits for its end.
    public struct Handle: Sendable {
        fileprivate let thread: pthread_t
        public func join() { pthread_join(thread, nil) }
        /// Nobody will wait for it.
        public func detach() { pthread_detach(thread) }
    }

    /// The calling thread gives way to every other of this process at once. It gets 1.5 % of a core that they want: a thread that must
    /// not starve it has to rest.
    public static func giveWay() { vencejo_give_way() }

    /// The calling thread wants no core for so long.
    public static func rest(nanoseconds: Int) {
        var time = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        unsafe nanosleep(&time, nil)
    }

    /// `name`: at most 15 bytes are kept by the kernel. Throws EAGAIN where the system has no thread left.
    public static func start(_ name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) -> Handle {
        var thread = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(name: name, run: run))
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                unsafe String(body.name.prefix(15)).withCString { unsafe vencejo_name_thread($0) }
                body.run()
                return nil
            }, body.toOpaque())
        guard result == 0 else {
            unsafe body.release()
            throw SystemError(code: result)
        }
        return Handle(thread: thread)
    }

    /// From now on the calling thread's sleeps end when they should; the kernel may else add 50 µs to gather wake-ups.
    public static func sleepExactly() { vencejo_sleep_exactly() }
}

/// Descriptors that this process may have open.
public enum FileLimit {
    /// Raises the soft bound to the hard one. - Returns: the bound that holds.
    public static func raise() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    public static var now: Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Descriptors that are open.
    public static var used: Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        // Its own, and the two names of folders.
        return max(0, count - 3)
    }
}

/// Signals that ask the process to end, taken by one thread.
public enum Signals {
    /// To be called before any other thread starts: SIGTERM, SIGINT and SIGHUP wait for `next`, SIGPIPE is ignored. SIGHUP is left
    /// alone where the process was started with it ignored (nohup).
    public static func take() {
        signal(SIGPIPE, SIG_IGN)
        var set = endings
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for one of them.
    public static func next() {
        var set = endings
        var number: CInt = 0
        unsafe sigwait(&set, &number)
    }

    private static var endings: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGTERM)
        unsafe sigaddset(&set, SIGINT)
        // Linux would deliver to `sigwait` what is ignored and blocked.
        if vencejo_ignores(SIGHUP) == 0 { unsafe sigaddset(&set, SIGHUP) }
        return set
    }
}

public enum Heap {
    /// After something large was freed: the allocator gives the pages that it keeps back to the system.
    public static func trim() { vencejo_trim() }
}
