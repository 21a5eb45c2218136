// Enters: small programs. Leaves: what they wrote and how they ended.
import Glibc
import Testing

@testable import Reactor

private func shell(
    _ script: String, nanosecondsMax: Int64 = 60_000_000_000, residentBytesMax: Int = .max
) throws -> ChildProcess.Result {
    try ChildProcess.run(
        "/bin/sh", ["-c", script], folder: 0,
        within: ChildProcess.Bounds(nanosecondsMax: nanosecondsMax, residentBytesMax: residentBytesMax))
}

@Test(
    arguments: [
        ("exit 0", .exited(code: 0)), ("exit 7", .exited(code: 7)), ("kill -SEGV $$", .signaled(SIGSEGV)),
        ("kill -TERM $$", .signaled(SIGTERM)), ("kill -KILL $$", .signaled(SIGKILL)),
        ("exec /nowhere", .exited(code: 127)),
        ("kill -XCPU $$", .tooLong),
    ] as [(String, ChildProcess.End)])
func howItEnds(script: String, end: ChildProcess.End) throws {
    #expect(try shell(script).end == end)
}

@Test func whatItWrote() throws {
    let result = try shell(
        "echo out; echo err >&2; head -c 300000 /dev/zero; head -c 20000 /dev/zero >&2; echo last >&2")
    #expect(result.output.count == 300_004 && result.output.starts(with: Array("out\n".utf8)))
    // Of complaints the end is kept.
    #expect(result.complaints.count == 8192 && result.complaints.suffix(5) == Array("last\n".utf8))
    #expect(result.end == .exited(code: 0))
}

@Test(arguments: ["while :; do :; done", "exec 0<&- 1>&- 2>&-; while :; do :; done", "read never"])
func whatTakesTooLongIsEnded(script: String) throws {
    #expect(try shell(script, nanosecondsMax: 50_000_000).end == .tooLong)
}

@Test func whatGrowsTooLargeIsEnded() throws {
    guard case .tooLarge(let bytes) = try shell("while :; do :; done", residentBytesMax: 1).end else {
        return #expect(Bool(false), "it has not ended by its size")
    }
    #expect(bytes > 4096)
}

/// Nothing of ours is open there but what it is given, no signal is blocked, and no core is written.
@Test func whatItFinds() throws {
    let own = unsafe open("/etc", O_RDONLY | O_DIRECTORY)
    defer { close(own) }
    let result = try ChildProcess.run(
        "/bin/sh", ["-c", "ls -d /proc/self/fd/3/passwd; ls /proc/$$/fd; ulimit -c; grep SigBlk /proc/self/status"],
        folder: own, within: ChildProcess.Bounds(nanosecondsMax: 60_000_000_000, residentBytesMax: .max))
    let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
    #expect(lines == ["/proc/self/fd/3/passwd", "0", "1", "2", "3", "0", "SigBlk:\t0000000000000000"])
}

@Test func aProgramThatIsNot() {
    #expect(throws: SystemError(code: ENOENT)) {
        try ChildProcess.run(
            "/nowhere", [], folder: 0,
            within: ChildProcess.Bounds(nanosecondsMax: 1_000_000_000, residentBytesMax: .max))
    }
}

@Test func memoryIsKnown() {
    #expect(ProcessMemory.peakBytes > 1 << 20)
    #expect(ProcessMemory.bytes("VmNothing", of: "self") == 0)
    #expect(ProcessMemory.bytes("VmRSS", of: "nobody") == 0)
}
