// Enters: what is wrong with which key, or with what an operator wants of it. Leaves: one sentence.

// MARK: - Keys

extension KeyringError {
    static func length(_ path: String, _ bytes: Int) -> Self {
        Self(
            .length,
            "\(quoted(path)) has \(bytes) bytes; a key is \(KeyMaterial.secretBytes) raw bytes, or "
                + "\(KeyMaterial.base64Bytes) bytes of base64 and a newline")
    }

    static func notBase64(_ path: String) -> Self {
        Self(
            .encoding,
            "\(quoted(path)) has the length of base64 and a newline, and is not canonical base64 of "
                + "\(KeyMaterial.secretBytes) bytes (RFC 4648, section 4); write it with base64(1), or as raw bytes")
    }

    static func notPEM(_ path: String) -> Self {
        Self(
            .encoding,
            "\(quoted(path)) is no PEM public key of P-256, P-384 or P-521; write one with openssl pkey "
                + "-pubout")
    }

    static func zero(_ path: String) -> Self {
        Self(.zero, "\(quoted(path)) is all zeros and no key; make a new one with vencejo key rotate")
    }

    static func repeated(_ path: String, _ other: String) -> Self {
        Self(
            .repeated,
            "\(quoted(path)) holds the same key as \(quoted(other)); each key may be in a ring once: delete one")
    }

    static func curve(_ path: String, _ entry: KeyringDocument.Entry, _ found: KeyAlgorithm) -> Self {
        Self(
            .algorithm,
            "\(quoted(path)) is a key for \(found.rawValue), and keyring.json says \(entry.algorithm.rawValue) of "
                + "\(entry.kid); set its \"alg\" to \(found.rawValue)")
    }
}

// MARK: - keyring.json

extension KeyringError {
    static func form(_ path: String, _ why: String) -> Self { Self(.form, "\(quoted(path)): \(why)") }

    static func kidForm(_ path: String, _ place: String, _ kid: String) -> Self {
        Self(
            .kid,
            "\(quoted(path)): \(place)\"kid\" is \(quoted(kid)), and must be 1 to \(KeyID.bytesMax) of A-Z a-z 0-9 . _ - that "
                + "begin with a letter or a digit")
    }

    static func kidTwice(_ path: String, _ kid: String) -> Self {
        Self(.kid, "\(quoted(path)) lists the key \(kid) twice; keep one of the entries")
    }

    static func purpose(_ path: String, found: KeyPurpose, wanted: KeyPurpose) -> Self {
        Self(
            .purpose,
            "\(quoted(path)) is a ring for \(found.rawValue), and one for \(wanted.rawValue) is needed; a key of one "
                + "purpose is never used for another: name the ring for \(wanted.rawValue)")
    }

    static func algorithm(
        _ path: String, _ kid: String, _ found: KeyAlgorithm, _ purpose: KeyPurpose
    ) -> Self {
        Self(
            .algorithm,
            "\(quoted(path)): the key \(kid) is for \(found.rawValue); a ring for \(purpose.rawValue) holds keys for "
                + purpose.algorithms.map(\.rawValue).joined(separator: ", "))
    }

    static func activeNotListed(_ path: String, _ active: String) -> Self {
        Self(.active, "\(quoted(path)): \"active\" is \(quoted(active)), and must be the kid of one of the listed keys")
    }

    static func activeState(_ path: String, _ entry: KeyringDocument.Entry) -> Self {
        Self(
            .active,
            "\(quoted(path)): the key \(entry.kid) is named by \"active\" and has the state \(entry.state.rawValue); its "
                + "state must be active")
    }

    static func twoActive(_ path: String, _ active: String, _ other: String) -> Self {
        Self(
            .active,
            "\(quoted(path)): the keys \(active) and \(other) both have the state active, and one key is active at a time; "
                + "set the state of one to verify")
    }

    static func notYet(_ path: String, _ kid: String, _ begin: UTCTime, now: UTCTime) -> Self {
        Self(
            .time,
            "\(quoted(path)): the key \(kid) must not be used before \(begin), and it is \(now); wait, check the clock, "
                + "or change its \"not_before\"")
    }

    static func expired(_ path: String, _ kid: String, _ end: UTCTime, now: UTCTime) -> Self {
        Self(
            .time,
            "\(quoted(path)): the key \(kid) must not be used from \(end) on, and it is \(now); rotate the ring and retire "
                + "the key, or change its \"not_after\"")
    }
}

// MARK: - Changes

extension KeyringError {
    static func busy(_ path: String) -> Self {
        Self(.busy, "another command is changing the ring \(quoted(path)); run this one again when it is done")
    }

    static func mounted(_ path: String) -> Self {
        Self(
            .kind,
            "\(quoted(path)) is a mounted volume of Kubernetes; change the folder that its Secret is made from, and "
                + "apply the Secret anew")
    }

    static func otherOwner(_ path: String, _ owner: UInt32, _ group: UInt32) -> Self {
        Self(
            .permissions,
            "the files of \(quoted(path)) belong to user \(owner), group \(group), and new ones cannot be given to them; "
                + "run the command as that user")
    }

    static func notEmpty(_ path: String, _ name: String) -> Self {
        Self(
            .folder,
            "the folder \(quoted(path)) holds \(quoted(name)) and no keyring.json; name an empty folder, or one that is "
                + "not there yet")
    }

    static func state(_ sentence: String) -> Self { Self(.state, sentence) }
    static func kid(_ sentence: String) -> Self { Self(.kid, sentence) }
}
