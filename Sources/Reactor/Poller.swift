// Enters: descriptors and what to wait for. Leaves: which are ready. Also: waking a poller from another thread.
import CLinux
import Glibc

/// What a descriptor is ready for.
public struct Readiness: BitwiseCopyable, Sendable {
    /// The key that the descriptor was added with.
    public let key: UInt64
    public let canRead: Bool
    public let canWrite: Bool
    /// The peer is gone, or the descriptor is broken: reading tells which.
    public let hasFailed: Bool
}

/// Level-triggered readiness (epoll(7)).
@safe public struct Poller: ~Copyable {
    private let epoll: Descriptor
    private let events: UnsafeMutableBufferPointer<epoll_event>

    public init(eventsMax: Int = 512) throws(SystemError) {
        epoll = Descriptor(adopting: CInt(try systemCall { Int(epoll_create1(Int32(EPOLL_CLOEXEC))) }))
        unsafe events = .allocate(capacity: eventsMax)
    }

    deinit { unsafe events.deallocate() }

    private func control(_ operation: CInt, _ descriptor: CInt, key: UInt64, write: Bool, read: Bool)
        throws(SystemError)
    {
        var event = unsafe epoll_event()
        unsafe event.events = (read ? EPOLLIN.rawValue | EPOLLRDHUP.rawValue : 0) | (write ? EPOLLOUT.rawValue : 0)
        unsafe event.data.u64 = key
        _ = try systemCall { unsafe Int(epoll_ctl(epoll.rawValue, operation, descriptor, &event)) }
    }

    public func add(_ descriptor: CInt, key: UInt64, write: Bool = false) throws(SystemError) {
        try control(EPOLL_CTL_ADD, descriptor, key: key, write: write, read: true)
    }

    public func change(_ descriptor: CInt, key: UInt64, write: Bool, read: Bool = true) throws(SystemError) {
        try control(EPOLL_CTL_MOD, descriptor, key: key, write: write, read: read)
    }

    public func remove(_ descriptor: CInt) {
        _ = epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, descriptor, nil)
    }

    /// Waits until something is ready, at most `milliseconds` (-1: for ever). Returns how many are.
    public func wait(milliseconds: Int32) throws(SystemError) -> Int {
        try systemCall { unsafe Int(epoll_wait(epoll.rawValue, events.baseAddress, Int32(events.count), milliseconds)) }
    }

    /// The same with a finer clock, where the kernel has one (Linux 5.11); else rounded up to milliseconds.
    public func wait(nanoseconds: Int64) throws(SystemError) -> Int {
        do throws(SystemError) {
            return try systemCall {
                unsafe Int(
                    vencejo_epoll_wait(epoll.rawValue, events.baseAddress, Int32(events.count), max(0, nanoseconds)))
            }
        } catch {
            guard error.code == ENOSYS else { throw error }
            return try wait(milliseconds: Int32(clamping: (max(0, nanoseconds) + 999_999) / 1_000_000))
        }
    }

    /// What the last `wait` found.
    public subscript(index: Int) -> Readiness {
        let event = unsafe events[index]
        return Readiness(
            key: unsafe event.data.u64, canRead: unsafe event.events & EPOLLIN.rawValue != 0,
            canWrite: unsafe event.events & EPOLLOUT.rawValue != 0,
            hasFailed: unsafe event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue | EPOLLRDHUP.rawValue) != 0)
    }
}

/// Wakes a poller from any thread (eventfd(2)).
public final class WakeUp: Sendable {
    private let event: CInt

    public init() throws(SystemError) {
        event = CInt(try systemCall { Int(eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))) })
    }

    deinit { close(event) }

    public var rawValue: CInt { event }

    public func signal() { _ = eventfd_write(event, 1) }

    public func clear() {
        var count: UInt64 = 0
        _ = unsafe eventfd_read(event, &count)
    }
}

/// How many cores this process may use: what the scheduler allows, and what the control group pays for (rounded up).
public enum Cores {
    public static func granted() -> Int {
        let allowed = max(1, Int(vencejo_cpus_allowed()))
        guard let quota = quota(kernelText("/sys/fs/cgroup/cpu.max")) else { return allowed }
        return min(allowed, quota)
    }

    /// `cpu.max` of a control group, version 2: quota and period in microseconds, or "max".
    static func quota(_ text: String) -> Int? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
            return nil
        }
        return quota / period + (quota % period > 0 ? 1 : 0)
    }
}

/// How much memory this process may use: what the machine has, or what the control group allows.
public enum PhysicalMemory {
    /// Bytes.
    public static func granted() -> Int {
        let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        let allowed = Int(kernelText("/sys/fs/cgroup/memory.max").split(whereSeparator: \.isWhitespace).first ?? "")
        return max(1, min(physical, allowed ?? physical))
    }
}
