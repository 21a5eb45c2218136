// Enters: a source of random bytes. Leaves: the same bytes in small pieces.

/// Random bytes, fetched many at a time: getrandom(2) takes 280 ns for each 32 of them.
struct RandomPool {
    private static let fetchedBytes = 4096
    private let random: (Int) -> [UInt8]
    private var pool: [UInt8] = []
    private var used = 0

    init(_ random: @escaping (Int) -> [UInt8]) { self.random = random }

    /// Adds `count` random bytes, at most 4096, which are not given out again.
    mutating func append(_ count: Int, to bytes: inout [UInt8]) {
        if count > pool.count - used {
            pool = random(max(Self.fetchedBytes, count))
            used = 0
        }
        bytes += pool[used..<used + count]
        used += count
    }

    mutating func next(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        append(count, to: &bytes)
        return bytes
    }
}
