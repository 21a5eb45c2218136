// The library: which one is opened, which is refused, and what is said of it.
import Testing

@testable import ONNX

@Test(arguments: [
    ("1.31.1", true), ("1.31.2", true), ("1.32.0", true), ("2.0.0", true), ("1.31.1-rc1", true), ("1.31.1+cpu", true),
    ("1.100", true), ("1.31.0", false), ("1.31", false), ("1.30.9", false), ("1.20.1", false), ("1.9.99", false),
    ("0.99.99", false), ("1", false), ("", false), ("abc", false), ("1..2", false), ("-1.31.1", false),
    ("1.99999999999999999999", false),
])
func versions(text: String, isWanted: Bool) {
    let wanted = (try? Runtime.check(version: text, path: "/lib/ort.so", allowOlder: false)) != nil
    #expect(wanted == isWanted)
    #expect(throws: Never.self) { try Runtime.check(version: text, path: "/lib/ort.so", allowOlder: true) }
}

@Test func anOlderRuntimeIsRefusedByName() {
    let error = #expect(throws: RuntimeError.self) {
        try Runtime.check(version: "1.20.1", path: "/lib/ort.so", allowOlder: false)
    }
    #expect(
        error?.description
            == "ONNX Runtime 1.20.1 at /lib/ort.so is older than 1.31.1, which this build was tested with; "
            + "install 1.31.1 or later, or pass --allow-older-onnxruntime")
}

@Test(arguments: [
    (RuntimeError.unreadableVersion("x", path: "/p"), "calls its version 'x'"),
    (.tooOld(version: "1.2.0", path: "/p"), "ONNX Runtime 1.2.0 at /p lacks functions"),
    (.failed(version: "1.2.0", path: "/p", reason: "why"), "ONNX Runtime 1.2.0 at /p does not start: why"),
])
func sentencesOfRuntimeErrors(error: RuntimeError, part: String) {
    #expect(error.description.contains(part))
}

@Test(arguments: [("/nowhere/libonnxruntime.so", "No such file"), ("libc.so.6", "OrtGetApiBase")])
func noRuntimeThere(path: String, part: String) {
    let error = #expect(throws: RuntimeError.self) { try Runtime(path: path) { _ in } }
    guard case .cannotOpen(path, let reason)? = error else {
        return #expect(Bool(false), "\(String(describing: error))")
    }
    #expect(reason.contains(part), "\(reason)")
}

@Test func theRuntimeSaysItsVersion() throws {
    let version = try Shared.runtime().version
    #expect(try #require(RuntimeVersion(version)) >= .tested)
}
