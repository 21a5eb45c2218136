// Enters: a program and its bounds. Leaves: what it wrote and how it ended. The caller waits.
import CLinux
import Glibc

/// A process of our own for what may crash, hang or take too much. It ends with us: its standard input ends then.
public enum ChildProcess {
    public struct Bounds: Sendable {
        public var nanosecondsMax: Int64
        /// What lies in memory; looked at every few milliseconds.
        public var residentBytesMax: Int

        public init(nanosecondsMax: Int64, residentBytesMax: Int) {
            self.nanosecondsMax = nanosecondsMax
            self.residentBytesMax = residentBytesMax
        }
    }

    public enum End: Sendable, Equatable {
        case exited(code: Int32)
        /// A signal ended it that was not ours.
        case signaled(Int32)
        case tooLong
        case tooLarge(bytes: Int)
    }

    public struct Result: Sendable {
        public var end: End
        /// The beginning of what it wrote to its standard output.
        public var output: [UInt8]
        /// The end of what it wrote to its standard error.
        public var complaints: [UInt8]
    }

    private static let outputBytesMax = 4 << 20
    private static let complaintBytesMax = 8 << 10
    private static let lookMilliseconds: CInt = 10

    /// `folder`: a descriptor that it finds as number 3.
    public static func run(
        _ program: String, _ arguments: [String], folder: CInt, within bounds: Bounds
    ) throws(SystemError) -> Result {
        let began = Clock.now()
        let input = try pipe()
        let output = try pipe()
        let complaints = try pipe()
        let process = try spawn(
            program, arguments, [input.read.rawValue, output.write.rawValue, complaints.write.rawValue, folder], bounds)
        close(consume output.write)
        close(consume complaints.write)
        var watch = Watch(process: process, output.read.rawValue, complaints.read.rawValue)
        var ours: End?
        while !watch.hasEnded {
            watch.read(waitingMilliseconds: lookMilliseconds)
            guard ours == nil, !watch.hasEnded else { continue }
            let resident = residentBytes(of: process)
            if Clock.now() - began > bounds.nanosecondsMax { ours = .tooLong }
            if resident > bounds.residentBytesMax { ours = .tooLarge(bytes: resident) }
            if ours != nil { kill(process, SIGKILL) }
        }
        watch.read(waitingMilliseconds: 0)
        // It looks at how long it may run on its own, too.
        if case .signaled(SIGXCPU) = watch.end { ours = .tooLong }
        _ = consume input
        return Result(end: ours ?? watch.end, output: watch.output, complaints: watch.complaints)
    }

    /// Reads what it writes, and learns how it ends.
    private struct Watch {
        let process: pid_t
        private var files: [pollfd]
        private(set) var output: [UInt8] = []
        private(set) var complaints: [UInt8] = []
        private var status: CInt?

        init(process: pid_t, _ output: CInt, _ complaints: CInt) {
            self.process = process
            files = [output, complaints].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        }

        var hasEnded: Bool { status != nil }

        var end: End {
            guard let status else { preconditionFailure("it has not ended") }
            let signal = status & 0x7f
            return signal == 0 ? .exited(code: status >> 8 & 0xff) : .signaled(signal)
        }

        mutating func read(waitingMilliseconds: CInt) {
            // Whoever has closed both will end soon.
            if files.allSatisfy({ $0.fd < 0 }) && waitingMilliseconds > 0 { Thread.rest(nanoseconds: 1_000_000) }
            let isAny = unsafe files.withUnsafeMutableBufferPointer {
                unsafe poll($0.baseAddress, nfds_t($0.count), waitingMilliseconds) > 0
            }
            for index in files.indices where isAny && files[index].revents != 0 {
                take(index)
            }
            guard status == nil, waitingMilliseconds > 0 else { return }
            var ended: CInt = 0
            if unsafe waitpid(process, &ended, WNOHANG) == process { status = ended }
        }

        private mutating func take(_ index: Int) {
            var room = [UInt8](repeating: 0, count: 64 << 10)
            let count = unsafe room.withUnsafeMutableBytes {
                unsafe Glibc.read(files[index].fd, $0.baseAddress, $0.count)
            }
            guard count > 0 else {
                // poll passes over what is below 0.
                if count == 0 { files[index].fd = -1 }
                return
            }
            if index == 0 {
                output += room.prefix(min(count, ChildProcess.outputBytesMax - output.count))
            } else {
                complaints += room.prefix(count)
                complaints.removeFirst(max(0, complaints.count - ChildProcess.complaintBytesMax))
            }
        }
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ given: [CInt], _ bounds: Bounds
    ) throws(SystemError) -> pid_t {
        var process: CInt = 0
        var texts: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) }
        unsafe texts.append(nil)
        let count = unsafe texts.count
        defer { for index in 0..<count { unsafe free(texts[index]) } }
        let seconds = UInt(bounds.nanosecondsMax / 1_000_000_000 + 1) * UInt(max(1, Cores.granted()))
        let result = unsafe vencejo_spawn(program, texts, given, seconds, &process)
        guard result == 0 else { throw SystemError(code: result) }
        return process
    }

    private struct Ends: ~Copyable {
        let read: Descriptor
        let write: Descriptor
    }

    private static func pipe() throws(SystemError) -> Ends {
        var ends: [CInt] = [-1, -1]
        _ = try systemCall { unsafe Int(vencejo_pipe(&ends)) }
        return Ends(read: Descriptor(adopting: ends[0]), write: Descriptor(adopting: ends[1]))
    }

    /// Drops it.
    private static func close(_ descriptor: consuming Descriptor) {}

    /// 0: it has ended, or nobody says.
    private static func residentBytes(of process: pid_t) -> Int {
        ProcessMemory.bytes("VmRSS", of: "\(process)")
    }
}

/// What the kernel says of a process's memory.
public enum ProcessMemory {
    /// The most that was in memory at a time, in bytes.
    public static var peakBytes: Int { bytes("VmHWM", of: "self") }

    /// Asked for every second: allocates nothing.
    public static var residentBytes: Int {
        let opened = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else { return 0 }
        defer { close(opened) }
        // "size resident shared …", in pages.
        var (field, pages) = (0, 0)
        unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { text in
            let count = unsafe Glibc.read(opened, text.baseAddress, text.count)
            for index in 0..<max(0, count) where field < 2 {
                switch unsafe text[index] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    pages = unsafe pages * 10 + Int(text[index] - UInt8(ascii: "0"))
                default:
                    field += 1
                    if field == 1 { pages = 0 }
                }
            }
        }
        return pages * Int(getpagesize())
    }

    static func bytes(_ name: String, of process: String) -> Int {
        for line in kernelText("/proc/\(process)/status", bytesMax: 8 << 10).split(separator: "\n") {
            guard line.hasPrefix(name + ":") else { continue }
            return (line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) << 10
        }
        return 0
    }
}

extension Thread {
    /// When memory runs out, this process is ended before others.
    public static func dieFirst() { vencejo_die_first() }

    /// The time on processors that the calling thread has had, in nanoseconds.
    public static func processorNanoseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
