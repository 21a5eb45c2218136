// Enters: two who want a file for themselves. Leaves: who has it.
import Testing

@testable import Repository

extension FileClaim.Outcome {
    fileprivate var word: String {
        switch self {
        case .ours: "ours"
        case .taken: "taken"
        case .unknown: "unknown"
        }
    }
}

@Test func onlyOneHasAFile() throws {
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.outside + "/state.json")
    do {
        let first = file.claim()
        #expect(first.word == "ours" && file.claim().word == "taken")
        // It holds while the file is replaced.
        try file.write([1])
        #expect(file.claim().word == "taken")
        // Another file of the same folder is somebody else's.
        #expect(KeptFile(path: place.outside + "/other.json").claim().word == "ours")
        withExtendedLifetime(first) {}
    }
    #expect(file.claim().word == "ours")
    #expect(KeptFile(path: place.outside + "/none/state.json").claim().word == "unknown")
}

@Test func whyAFileCannotBeWritten() throws {
    let place = Place()
    defer { place.remove() }
    #expect(KeptFile(path: place.outside + "/state.json").problem == nil)
    #expect(
        KeptFile(path: place.outside + "/none/state.json").problem
            == .notWritten(path: place.outside + "/none", code: 2))
}
