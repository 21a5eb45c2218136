// Enters: a subject's id, and the subject-index ring. Leaves: the pseudonyms that the subject's payload keys are filed under.
public import Cryptography
public import Keyrings
internal import Memory

/// Subject = HMAC-SHA-256(index key, "audsub-v1" 00 || id)[0..16] (TRUST 4.1, "Payload keys").
public enum ErasureSubject {
    /// Bytes of an id; the server cuts a longer one.
    public static let idBytesMax = 256

    /// 16 bytes.
    public static func pseudonym(of id: String, indexKey: Secret) -> [UInt8] {
        let message = Array("audsub-v1".utf8) + [0] + Array(id.utf8)
        let code = HMACSHA256(key: indexKey).code(of: message.raw)
        return (0..<16).map { code[$0] }
    }

    /// Under every key that is in the ring, in any state; that of the active key first.
    public static func pseudonyms(of id: String, _ ring: Keyring) -> [[UInt8]] {
        let keys = [ring.active] + ring.keys.filter { $0.kid != ring.active.kid }
        return keys.compactMap(\.secret).map { pseudonym(of: id, indexKey: $0) }
    }
}
