// Enters: what is to be kept for the next start. Leaves: a file that holds it, unless another process keeps that file.
import Memory
public import Repository

/// The file of the desired state, which one process at a time writes.
///
/// Two processes over one file are what a rolling restart looks like: the second serves what the file says and keeps nothing
/// as long as the first is there. Then the file is its own, unless the first changed it after the second had read it.
public final class StateFile: Sendable {
    private struct State {
        var claim: FileClaim.Outcome
        /// What it held when it was read.
        var seen: Desired?
        /// It had another owner since then, who may have changed it.
        var isForeign = false
        /// This process ends, and gave it away.
        var isLeft = false
    }

    let file: KeptFile
    private let state: Lock<State>

    public init(_ file: KeptFile) {
        self.file = file
        state = Lock(State(claim: file.claim()))
    }

    /// `nil`: nothing was ever kept there.
    public func read() throws(StateFileError) -> Desired? {
        let desired = try Desired.read(file)
        state.withLock { state in
            state.seen = desired
            if case .taken = state.claim { state.isForeign = true }
        }
        return desired
    }

    /// What it holds now; `nil`: nothing, or it cannot be read.
    var bytes: [UInt8]? { (try? file.read()) ?? nil }

    /// Whether it is this process's alone.
    var isOurs: Bool {
        if case .ours = state.withLock({ $0.claim }) { return true }
        return false
    }

    /// Why nothing is kept there now; `nil`: it is, as far as one can know.
    public var problem: String? {
        if case .taken = state.withLock({ $0.claim }) { return "another process keeps '\(file.path)'" }
        return file.problem?.description
    }

    /// Errors: it is another process's, or cannot be written.
    func write(_ desired: inout Desired) throws(StateFileError) {
        try state.withLock { (state) throws(StateFileError) in try own(&state) }
        try desired.write(to: file)
    }

    private func own(_ state: inout State) throws(StateFileError) {
        if state.isLeft { throw StateFileError(sentence: "this server is ending: order the one that follows it") }
        if case .taken = state.claim { state.claim = file.claim() }
        if case .taken = state.claim {
            throw StateFileError(
                sentence: "another process keeps '\(file.path)': order that one, or start this server with --state and "
                    + "a file of its own")
        }
        guard state.isForeign else { return }
        guard try Desired.read(file) == state.seen else {
            throw StateFileError(
                sentence: "'\(file.path)' was changed by another process after this server had read it: restart this "
                    + "server, so that it serves what that one was ordered to")
        }
        state.isForeign = false
    }

    /// Whoever follows this process may have it.
    func leave() {
        state.withLock { state in
            state.isLeft = true
            state.claim = .unknown
        }
    }
}
