// Enters: loaders and readers on threads of their own. Leaves: readers who never see half a model.
import Glibc
import Memory
import Synchronization
import Tensors
import Testing

@testable import Models

/// A model that can be seen to be whole.
private final class Whole: Sendable {
    let number: Int64
    let twice: Int64
    init(_ number: Int64) {
        self.number = number
        twice = 2 * number
    }
}

/// Threads that start together; joined when the value is dropped.
private final class Crowd {
    private var threads: [pthread_t] = []

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, unsafe Unmanaged.passRetained(Body(run)).toOpaque())
        precondition(result == 0)
        threads.append(thread)
    }

    func join() {
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }
}

@Test func readersNeverSeeHalfAModel() {
    let names = (0..<40).map { "model-\($0)" }
    let directory = Directory<Whole>(names.map { ModelDescription(name: $0, versions: [1, 2]) })
    let views = names.map(view)
    let faults = Atomic<Int>(0)
    let leases = Atomic<Int>(0)
    let refusals = Atomic<Int>(0)
    let crowd = Crowd()
    for reader in 0..<3 {
        crowd.start {
            var lastChanges: UInt64 = 0
            var known = Set<Int>()
            while true {
                let isLast = directory.isLoaded
                for (index, name) in views.enumerated() {
                    let number: Int64 = (index + reader) % 2 == 0 ? 1 : 2
                    do {
                        let lease = try directory.lease(name, .number(number))
                        let isWhole =
                            lease.model.object.number == Int64(index) * 10 + number
                            && lease.model.object.twice == 2 * lease.model.object.number
                            && lease.provenance.artifactDigest.array == [UInt8](repeating: UInt8(index), count: 32)
                        if !isWhole { faults.add(1, ordering: .relaxed) }
                        known.insert(index)
                        leases.add(1, ordering: .relaxed)
                    } catch LeaseError.loading {
                        // What was ready once stays ready.
                        if known.contains(index) { faults.add(1, ordering: .relaxed) }
                        refusals.add(1, ordering: .relaxed)
                    } catch LeaseError.failed(_, _, let reason) {
                        if index % 7 != 3 || reason != "sentence \(index)" { faults.add(1, ordering: .relaxed) }
                    } catch {
                        faults.add(1, ordering: .relaxed)
                    }
                }
                let changes = directory.changes
                if changes < lastChanges { faults.add(1, ordering: .relaxed) }
                lastChanges = changes
                if isLast { return }
            }
        }
    }
    // Loaders begin when readers have been refused.
    while refusals.load(ordering: .relaxed) == 0 { sched_yield() }
    for loader in 0..<2 {
        crowd.start {
            for (index, entry) in directory.entries.enumerated() {
                let version = entry.versions[loader]
                if index % 7 == 3 {
                    version.fail("sentence \(index)")
                } else {
                    version.becomeReady(
                        Whole(Int64(index) * 10 + version.number), digest: [UInt8](repeating: UInt8(index), count: 32))
                }
                directory.changed()
            }
        }
    }
    crowd.join()
    #expect(faults.load(ordering: .relaxed) == 0)
    #expect(leases.load(ordering: .relaxed) >= 3 * 34)
    #expect(directory.changes == 80 && directory.isLoaded)
}
