import Foundation
import Glibc
import Synchronization

/// Appends a byte to a file every millisecond, from a thread of its own.
final class Writer: Sendable {
    private let stopped = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    init(path: String) {
        Thread.detachNewThread { [self] in
            let file = unsafe open(path, O_WRONLY | O_APPEND)
            while !stopped.load(ordering: .relaxed) {
                _ = unsafe write(file, "x", 1)
                usleep(1000)
            }
            close(file)
            ended.signal()
        }
    }

    func stop() {
        stopped.store(true, ordering: .relaxed)
        ended.wait()
    }
}
