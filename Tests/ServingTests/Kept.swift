// Enters: texts. Leaves: views of them that live as long as the tests.
import Memory
import Synchronization

private let kept = Mutex<[OwnedBytes]>([])

func view(_ text: String) -> ByteView {
    let bytes = OwnedBytes(text)
    kept.withLock { $0.append(bytes) }
    return bytes.view
}
