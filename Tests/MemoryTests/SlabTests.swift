// Enters: sizes, from a seed. Leaves: pieces that keep what was written into them, whatever is taken and given back beside.
import Memory
import TestSupport
import Testing

/// A piece, and what must be in it.
@safe private struct Held {
    enum Way: CaseIterable { case allocated, zeroed, reallocated }

    private let slab: Slab
    private(set) var pointer: UnsafeMutableRawPointer
    private var content: [UInt8] = []

    init(_ bytes: Int, from slab: Slab, _ way: Way = .allocated) throws {
        self.slab = slab
        let piece =
            switch way {
            case .allocated: unsafe slab.allocate(bytes)
            case .zeroed: unsafe slab.allocateZeroed(bytes)
            case .reallocated: unsafe slab.reallocate(nil, bytes)
            }
        unsafe pointer = try unsafe #require(unsafe piece)
        if case .zeroed = way { content = [UInt8](repeating: 0, count: bytes) }
    }

    var bytes: Int { content.count }
    var place: Int { unsafe Int(bitPattern: pointer) }

    /// It lies where anything may lie, and nobody has written into it.
    var isWhole: Bool {
        let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: content.count)
        return unsafe place % 16 == 0 && bytes.elementsEqual(content)
    }

    /// Fills it to its end.
    mutating func fill(_ bytes: Int, _ random: inout SplitMix) {
        while content.count < bytes { content.append(random.byte()) }
        unsafe UnsafeMutableRawBufferPointer(start: pointer, count: bytes).copyBytes(from: content)
    }

    /// As much of the content as both sizes have comes along.
    mutating func resize(_ bytes: Int) throws {
        unsafe pointer = try unsafe #require(unsafe slab.reallocate(pointer, bytes))
        content.removeLast(max(0, content.count - bytes))
    }

    func giveBack() { unsafe slab.deallocate(pointer) }
}

/// Sizes around each class's edge, around the largest class, and far above it.
private func size(_ random: inout SplitMix) -> Int {
    switch random.next() % 6 {
    case 0: Int(random.next() % 3)
    case 1: 32 * Int(1 + random.next() % 33) - 17 + Int(random.next() % 3)
    case 2: 970 + Int(random.next() % 60)
    case 3: Int(random.next() % (random.next() % 16 == 0 ? 70_000 : 3000))
    default: Int(random.next() % 300)
    }
}

@Test(arguments: 1...10 as ClosedRange<UInt64>) func slabAgainstShadows(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let slab = Slab()
    var all: [Held] = []
    for step in 0..<800 {
        let place = random.below(all.count)
        switch random.next() % 5 {
        case 0 where !all.isEmpty:
            let held = all.remove(at: place)
            try #require(held.isWhole, "step \(step)")
            held.giveBack()
        case 1 where !all.isEmpty:
            let bytes = size(&random)
            try all[place].resize(bytes)
            try #require(all[place].isWhole, "step \(step), resized")
            all[place].fill(bytes, &random)
        default:
            let bytes = size(&random)
            var held = try Held(bytes, from: slab, Held.Way.allCases[Int(random.next() % 3)])
            try #require(held.isWhole, "step \(step), new")
            held.fill(bytes, &random)
            all.append(held)
        }
        // Whoever is next to it notices what is written too far.
        if !all.isEmpty { try #require(all[random.below(all.count)].isWhole, "step \(step)") }
    }
    for held in all {
        #expect(held.isWhole)
        held.giveBack()
    }
}

@Test func nothingIsGivenBackToTheSlab() throws {
    let slab = Slab()
    unsafe slab.deallocate(nil)
    #expect(try Held(0, from: slab).isWhole)
}

/// Pieces of one size are used again before new ones are cut; and memory of others is not clean for who wants it so.
@Test(arguments: [1, 16, 17, 48, 100, 500, 975])
func whatWasGivenBackComesAgain(bytes: Int) throws {
    var random = SplitMix(seed: 1)
    let slab = Slab()
    var first: Set<Int> = []
    for _ in 0..<10 {
        let taken = try (0..<100).map { _ in
            var held = try Held(bytes, from: slab, .zeroed)
            #expect(held.isWhole)
            try held.resize(0)
            held.fill(bytes, &random)
            return held
        }
        let places = Set(taken.map(\.place))
        if first.isEmpty { first = places }
        #expect(places == first && places.count == 100)
        for held in taken { held.giveBack() }
    }
}

/// A piece that still fits stays where it is.
@Test func whatFitsIsNotMoved() throws {
    var held = try Held(20, from: Slab())
    let place = held.place
    for bytes in [1, 48, 20, 0, 48] {
        try held.resize(bytes)
        #expect(held.place == place)
    }
    try held.resize(49)
    #expect(held.place != place)
    held.giveBack()
}
