// Leaves: public keys of each curve, and one of another kind.

/// Public keys in PEM; their private halves were never kept.
enum PEM {
    static let p256 = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElV3IUpiAPs6lD0y10G/Pl1KyLq1a
        Oieqx2B7tpL86oEApq1MUEpOHdfrlkmnHhh1cf4j10txQeN2M3WG8Yp+3g==
        -----END PUBLIC KEY-----

        """
    static let anotherP256 = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEo4bLoQv624xlDtkMEvYRyyW5oDMm
        U1tdI18VbMkj+AACsRAfq3dVFndOD1X0xPtbfLGLoG7CmOAajdXsBrDydw==
        -----END PUBLIC KEY-----

        """
    static let p384 = """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEv0UVRbE3/vCXL/bfgTisOZc+j8vMPoT2
        o3+PEBXwMM7j7V8ZSP+pRQHJ4HpofhC2seJBWQYENRHAnN4clsEZ0nH6vjVIMYSU
        NPc7oi8OYxx4ZCEMmJll2QrZAbhaGTU4
        -----END PUBLIC KEY-----

        """
    static let p521 = """
        -----BEGIN PUBLIC KEY-----
        MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAfGum4Befn4LpaG7yB4HA81E5g7mM
        HrI7e/C6M/VkfcKc3bo54qr6yHIgR9elWo7njVrNIl2e6mN3SaCBUimnPtQBOwVE
        mwiwmkuixrCOJdGlE7xGzOPRPwFxpIhzlBUQTOCRU97o9jlMHA8WwWRD/LNg16AS
        XW/JPy1HAG2U5fztNcE=
        -----END PUBLIC KEY-----

        """
    static let ed25519 = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAz/lCu6Bd8k4GfFHMF48r2qS0MbgojEH2lFzXskaEa0o=
        -----END PUBLIC KEY-----

        """
}
