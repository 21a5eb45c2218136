// Enters: bytes that views point into. Leaves: nothing: they live as long as the tests.
import Memory
import Synchronization

final class Kept: Sendable {
    static let shared = Kept()
    private let all = Mutex<[OwnedBytes]>([])

    func keep(_ bytes: OwnedBytes) { all.withLock { $0.append(bytes) } }
}
