// Enters: what a library calls its version. Leaves: whether this build was tested with one so old.

/// A version as libraries write it: numbers between dots. What follows them ("-rc1", "+cpu") does not count.
struct RuntimeVersion: Equatable, Comparable {
    /// The oldest runtime that this build was tested with; what is older has holes that the tests look for
    /// (models that read files beside them).
    static let tested = RuntimeVersion(numbers: [1, 31, 1])

    let numbers: [Int]

    private init(numbers: [Int]) { self.numbers = numbers }

    init?(_ text: String) {
        let leading = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let parts = leading.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...4).contains(parts.count) else { return nil }
        var numbers: [Int] = []
        for part in parts {
            guard part.count <= 6, let number = Int(part) else { return nil }
            numbers.append(number)
        }
        self.numbers = numbers
    }

    static func < (left: Self, right: Self) -> Bool {
        for index in 0..<max(left.numbers.count, right.numbers.count) {
            let here = index < left.numbers.count ? left.numbers[index] : 0
            let there = index < right.numbers.count ? right.numbers[index] : 0
            if here != there { return here < there }
        }
        return false
    }

    var text: String { numbers.map(String.init).joined(separator: ".") }
}
