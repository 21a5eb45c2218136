// Enters: texts. Leaves: views of them that live as long as the tests.
import Foundation
import Memory

/// Not a `Mutex`, whose futex the thread sanitizer does not see.
private final class Kept: @unchecked Sendable {
    static let shared = Kept()
    private let lock = NSLock()
    private var all: [OwnedBytes] = []

    func keep(_ bytes: OwnedBytes) { lock.withLock { all.append(bytes) } }
}

func view(_ text: String) -> ByteView {
    let bytes = OwnedBytes(text)
    Kept.shared.keep(bytes)
    return bytes.view
}

/// A model for tests: nothing but a number.
final class Number: Sendable, ExpressibleByIntegerLiteral {
    let value: Int
    init(_ value: Int) { self.value = value }
    convenience init(integerLiteral value: Int) { self.init(value) }
}
