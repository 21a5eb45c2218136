// Enters: commits, and readers on threads of their own. Leaves: readers who see all of a commit or nothing, memory that is
// freed when nobody can see it any more, and not before.
import Glibc
import Memory
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Models

private func entry<Model>(_ name: String, _ number: Int64, _ model: Model, digest: [UInt8] = []) -> Entry<Model> {
    var standing = Standing<Model>(loading: number, slot: .blue)
    standing.becomeReady(Version(of: name, number: number, model, digest: digest))
    standing.note(.promoted)
    return Entry(name: name, standings: [standing], labels: [:])
}

@Test func epochsGrowByOne() throws {
    let directory = Directory<Number>()
    #expect(directory.catalog.epoch == 1 && directory.catalog.entries.isEmpty)
    for epoch in 2...20 as ClosedRange<UInt64> {
        #expect(directory.commit([entry("m", Int64(epoch), Number(Int(epoch)))]) == epoch)
        #expect(directory.catalog.epoch == epoch && directory.pinned.object === directory.catalog)
        let lease = try directory.catalog.lease(view("m"), .live)
        #expect(lease.provenance.epoch == epoch && lease.provenance.version == Int64(epoch))
        #expect(lease.model.object.value == Int(epoch))
    }
    #expect(Directory([entry("m", 1, Number(1))]).catalog.entries.map(\.name) == ["m"])
}

private final class Weak<Object: AnyObject> {
    weak var object: Object?
    init(_ object: Object) { self.object = object }
}

/// What was replaced is kept until a release that names a later commit; a version that another commit took over, longer.
@Test func aReleaseFreesWhatWasReplaced() {
    let directory = Directory<Number>()
    var models: [Weak<Number>] = []
    var catalogs: [Weak<Catalog<Number>>] = [Weak(directory.catalog)]
    var same: Entry<Number>? = entry("same", 1, Number(0))
    let kept = Weak(same!.standings[0].version!.model)
    for number in 2...5 as ClosedRange<Int64> {
        let model = Number(Int(number))
        models.append(Weak(model))
        directory.commit([same!, entry("m", number, model)])
        catalogs.append(Weak(directory.catalog))
    }
    // Of epochs 1 to 5 the last is the current one.
    func alive() -> [Bool] { catalogs.map { $0.object != nil } }
    func loaded() -> [Bool] { models.map { $0.object != nil } }
    #expect(alive() == [true, true, true, true, true])
    directory.release(replacedBy: 1)
    #expect(alive() == [true, true, true, true, true])
    directory.release(replacedBy: 3)
    #expect(alive() == [false, false, true, true, true] && loaded() == [false, true, true, true])
    directory.release(replacedBy: 3)
    #expect(alive() == [false, false, true, true, true])
    directory.release(replacedBy: 5)
    #expect(alive() == [false, false, false, false, true] && loaded() == [false, false, false, true])
    // What holds is never freed.
    directory.release(replacedBy: .max)
    #expect(alive() == [false, false, false, false, true] && loaded() == [false, false, false, true])
    same = nil
    #expect(kept.object != nil)
    directory.commit([])
    directory.release(replacedBy: 6)
    #expect(
        kept.object == nil && loaded() == [false, false, false, false]
            && alive() == [false, false, false, false, false])
}

/// A model that can be seen to be whole, and to be gone.
private final class Whole: @unchecked Sendable {
    private let number: Int64
    private var twice: Int64
    private let alive: Living

    init(_ number: Int64, _ alive: Living) {
        (self.number, twice, self.alive) = (number, 2 * number, alive)
        alive.count.add(1, ordering: .relaxed)
    }

    deinit {
        twice = -1
        alive.count.subtract(1, ordering: .relaxed)
    }

    func isWhole(_ expected: Int64) -> Bool { number == expected && twice == 2 * expected }
}

private final class Living: Sendable {
    let count = Atomic<Int>(0)
}

/// A reader, as a shard is one: what it says is that it holds nothing of an earlier commit.
private final class Reader: Sendable {
    let announced = Atomic<UInt64>(0)
    let faults = Atomic<Int>(0)
    let leases = Atomic<Int>(0)
    let commits = Atomic<Int>(0)

    /// One turn: all of its leases are from one catalog.
    func turn(_ directory: Directory<Whole>, _ names: [ByteView]) -> UInt64 {
        let catalog = directory.pinned
        let epoch = catalog.object.epoch
        let before = announced.exchange(epoch, ordering: .acquiringAndReleasing)
        if epoch < before { faults.add(1, ordering: .relaxed) }
        if epoch > before { commits.add(1, ordering: .relaxed) }
        var models: [Pinned<Whole>] = []
        for name in names {
            do {
                let lease = try catalog.object.lease(name, .live)
                let provenance = lease.provenance
                let isOfThisCommit =
                    provenance.epoch == epoch && provenance.version == Int64(epoch) && provenance.model == name
                    && provenance.artifactDigest.array
                        == [UInt8](repeating: UInt8(truncatingIfNeeded: epoch), count: 32)
                if !isOfThisCommit { faults.add(1, ordering: .relaxed) }
                models.append(lease.model)
                leases.add(1, ordering: .relaxed)
            } catch {
                // Only the first catalog is empty.
                if epoch != 1 { faults.add(1, ordering: .relaxed) }
            }
        }
        // Until the turn ends, whatever is committed and released meanwhile.
        for model in models where !model.object.isWhole(Int64(epoch)) { faults.add(1, ordering: .relaxed) }
        return epoch
    }

    func waitFor(_ epoch: UInt64) { while announced.load(ordering: .acquiring) < epoch { sched_yield() } }
}

/// Threads that start together.
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

/// One thread commits, one releases what every reader has gone by, three read.
@Test func readersSeeAllOfACommitAndNothingThatIsFreed() {
    let last: UInt64 = 301
    let names = (0..<20).map { "model-\($0)" }
    let views = names.map(view)
    let directory = Directory<Whole>()
    let living = Living()
    let readers = (0..<3).map { _ in Reader() }
    let releases = Atomic<Int>(0)
    let crowd = Crowd()
    for reader in readers {
        crowd.start { while reader.turn(directory, views) < last {} }
    }
    crowd.start {
        for reader in readers { reader.waitFor(1) }
        for epoch in 2...last {
            let digest = [UInt8](repeating: UInt8(truncatingIfNeeded: epoch), count: 32)
            directory.commit(names.map { entry($0, Int64(epoch), Whole(Int64(epoch), living), digest: digest) })
            // Now and then everybody sees it, so that there is something to see.
            if epoch % 10 == 0 { for reader in readers { reader.waitFor(epoch) } }
        }
    }
    crowd.start {
        var released: UInt64 = 1
        while released < last {
            let epoch = directory.catalog.epoch
            guard epoch > released else {
                sched_yield()
                continue
            }
            for reader in readers { reader.waitFor(epoch) }
            directory.release(replacedBy: epoch)
            released = epoch
            releases.add(1, ordering: .relaxed)
        }
    }
    crowd.join()
    for reader in readers {
        #expect(reader.faults.load(ordering: .relaxed) == 0)
        #expect(reader.commits.load(ordering: .relaxed) >= 30 && reader.leases.load(ordering: .relaxed) >= 30 * 20)
    }
    #expect(releases.load(ordering: .relaxed) > 0)
    // What holds is there, and nothing else.
    #expect(directory.catalog.epoch == last && living.count.load(ordering: .relaxed) == names.count)
}
