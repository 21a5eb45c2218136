// Enters: posts from any thread. Leaves: as many threads that waited, awake.
import CLinux
import Glibc

/// Counts posts (sem_overview(7)). To post takes no lock.
@safe public final class Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    public init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    public func post() { unsafe sem_post(semaphore) }

    /// Takes one post, or waits for one, at most until `time` on the shard's clock; `.max`: for as long as it takes.
    public func wait(until time: Int64) {
        guard time < .max else {
            while unsafe sem_wait(semaphore) != 0 && errno == EINTR {}
            return
        }
        unsafe vencejo_wait(semaphore, Int(time))
    }
}
