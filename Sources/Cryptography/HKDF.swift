// Enters: key material and what the keys are for. Leaves: keys.

/// HKDF (RFC 5869): extract makes one key of uneven material, expand makes of it as many bytes as are wanted.
public enum HKDF {
    public enum Hash: Sendable, CaseIterable {
        case sha256, sha512

        /// The number of bytes of a digest, and of an extracted key.
        public var byteCount: Int {
            switch self {
            case .sha256: PlainSHA256.digestBytes
            case .sha512: PlainSHA512.digestBytes
            }
        }

        /// The most bytes that can be expanded from one key.
        public var expandedBytesMax: Int { 255 * byteCount }
    }

    /// A key of `hash.byteCount` bytes (RFC 5869, section 2.2).
    /// - Parameter salt: may be empty, which is as good as zeros.
    public static func extract(_ hash: Hash, salt: RawSpan, input: RawSpan) -> Secret {
        switch hash {
        case .sha256: extract(PlainSHA256.self, salt, input)
        case .sha512: extract(PlainSHA512.self, salt, input)
        }
    }

    /// `count` bytes for the use that `info` names (RFC 5869, section 2.3).
    /// - Parameters:
    ///   - key: at least `hash.byteCount` bytes; random, or extracted.
    ///   - count: up to `hash.expandedBytesMax`.
    public static func expand(_ hash: Hash, key: RawSpan, info: RawSpan, count: Int) -> Secret {
        precondition(
            (0...hash.expandedBytesMax).contains(count),
            "\(count) bytes of one key, must be between 0 and \(hash.expandedBytesMax)")
        return switch hash {
        case .sha256: expand(PlainSHA256.self, key, info, count)
        case .sha512: expand(PlainSHA512.self, key, info, count)
        }
    }

    private static func extract<Hash: PlainHash>(_: Hash.Type, _ salt: RawSpan, _ input: RawSpan) -> Secret {
        Secret(count: Hash.digestBytes) { room in
            unsafe room.withUnsafeMutableBytes { room, count in
                var hmac = HMAC<Hash>(key: salt)
                var state = hmac.begun
                state.update(input)
                unsafe hmac.end(&state, into: room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
                count = Hash.digestBytes
                wipe(&hmac)
            }
        }
    }

    private static func expand<Hash: PlainHash>(
        _: Hash.Type, _ key: RawSpan, _ info: RawSpan, _ count: Int
    ) -> Secret {
        Secret(count: count) { room in
            var hmac = HMAC<Hash>(key: key)
            // The larger of the two digests.
            var last = InlineArray<64, UInt8>(repeating: 0)
            var number: InlineArray<1, UInt8> = [0]
            while room.byteCount < count {
                var state = hmac.begun
                if number[0] > 0 { unsafe state.update(last.span.bytes.extracting(0..<Hash.digestBytes)) }
                number[0] += 1
                state.update(info)
                unsafe state.update(number.span.bytes)
                unsafe hmac.end(&state, into: &last)
                for index in 0..<min(Hash.digestBytes, count - room.byteCount) { room.append(last[index]) }
            }
            wipe(&last)
            wipe(&hmac)
        }
    }
}
