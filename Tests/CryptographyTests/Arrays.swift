// Enters: the module's functions, which take spans. Leaves: the same for arrays, so that a test is free of `unsafe`.
import Cryptography

func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    unsafe constantTimeEqual(left.span.bytes, right.span.bytes)
}

extension Secret {
    convenience init(copying bytes: [UInt8]) { unsafe self.init(copying: bytes.span.bytes) }

    var array: [UInt8] { withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } } }
}

extension Digest {
    init?(bytes: [UInt8]) { unsafe self.init(bytes: bytes.span.bytes) }
}

extension SHA256 {
    static func digest(of bytes: [UInt8]) -> Digest { unsafe digest(of: bytes.span.bytes) }
    mutating func update(_ bytes: ArraySlice<UInt8>) { unsafe update(bytes.span.bytes) }
}

extension SHA512 {
    static func digest(of bytes: [UInt8]) -> [UInt8] { unsafe digest(of: bytes.span.bytes) }
    mutating func update(_ bytes: ArraySlice<UInt8>) { unsafe update(bytes.span.bytes) }
}

extension AES256GCM {
    init(key: [UInt8]) { unsafe self.init(key: key.span.bytes) }

    mutating func seal(
        _ plaintext: [UInt8], nonce: [UInt8], authenticating: [UInt8], into output: inout [UInt8]
    ) {
        unsafe seal(
            plaintext.span.bytes, nonce: nonce.span.bytes, authenticating: authenticating.span.bytes, into: &output)
    }

    mutating func open(
        _ sealed: [UInt8], nonce: [UInt8], authenticating: [UInt8], into output: inout [UInt8]
    ) -> Bool {
        unsafe open(
            sealed.span.bytes, nonce: nonce.span.bytes, authenticating: authenticating.span.bytes, into: &output)
    }
}

extension AESKeyWrap {
    static func wrap(_ key: [UInt8], with kek: Secret) -> [UInt8] { unsafe wrap(key.span.bytes, with: kek) }
    static func unwrap(_ wrapped: [UInt8], with kek: Secret) -> Secret? { unsafe unwrap(wrapped.span.bytes, with: kek) }
}

extension HMACSHA256 {
    init(key: [UInt8]) { unsafe self.init(key: key.span.bytes) }

    static func code(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        array(unsafe code(of: message.span.bytes, key: key.span.bytes))
    }

    static func codes(of first: [UInt8], _ second: [UInt8], key: [UInt8]) -> [[UInt8]] {
        let codes = unsafe codes(of: first.span.bytes, second.span.bytes, key: key.span.bytes)
        return [array(codes.0), array(codes.1)]
    }

    func code(of message: [UInt8]) -> [UInt8] { Self.array(unsafe code(of: message.span.bytes)) }

    func isValid(_ code: [UInt8], of message: [UInt8]) -> Bool {
        unsafe isValid(code.span.bytes, of: message.span.bytes)
    }

    private static func array(_ code: InlineArray<32, UInt8>) -> [UInt8] { code.indices.map { code[$0] } }
}

extension HKDF {
    static func extract(_ hash: Hash, salt: [UInt8], input: [UInt8]) -> Secret {
        unsafe extract(hash, salt: salt.span.bytes, input: input.span.bytes)
    }

    static func expand(_ hash: Hash, key: [UInt8], info: [UInt8], count: Int) -> Secret {
        unsafe expand(hash, key: key.span.bytes, info: info.span.bytes, count: count)
    }
}

extension Ed25519PrivateKey {
    func signature(of message: [UInt8]) -> [UInt8] { unsafe signature(of: message.span.bytes) }
}

extension Ed25519PublicKey {
    init?(_ raw: [UInt8]) { unsafe self.init(raw.span.bytes) }

    func isValid(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        unsafe isValid(signature.span.bytes, of: message.span.bytes)
    }
}

extension ECDSAPublicKey {
    init?(derSubjectPublicKeyInfo der: [UInt8]) { unsafe self.init(derSubjectPublicKeyInfo: der.span.bytes) }

    func isValid(derSignature: [UInt8], of message: [UInt8], hash: Hash) -> Bool {
        unsafe isValid(derSignature: derSignature.span.bytes, of: message.span.bytes, hash: hash)
    }
}
