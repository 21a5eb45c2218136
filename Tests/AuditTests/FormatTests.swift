import Audit
import Cryptography
import Memory
import Testing

private let vectors = Vectors.shared

private func header(_ file: [UInt8]) -> SegmentHeader? { ByteView.lending(file) { SegmentHeader($0) } }

private func segment(_ number: Int) -> [UInt8] {
    bytes(vectors.files["segment-\(String(repeating: "0", count: 11))\(number).aud"] ?? "")
}

@Test(arguments: vectors.segments.map { Int($0.seq) }) func headersAreReadAndWritten(number: Int) throws {
    let wanted = vectors.segments[number]
    let read = try #require(header(segment(number)))
    #expect(read.sequence == wanted.seq && read.first == wanted.first && read.previousLength == wanted.prevLen)
    #expect(read.salt.hex == wanted.salt && read.keyID == wanted.kid && read.created == wanted.created)
    #expect(read.range.roots.map(\.hex) == wanted.range && read.byteCount == wanted.headerBytes)
    #expect(read.origin.text == vectors.origin && read.logID.folderName == vectors.folder)
    #expect(read.bytes == Array(segment(number).prefix(wanted.headerBytes)))
    var written = SegmentHeader(
        logID: read.logID, origin: read.origin, oldestLog: 0, sequence: wanted.seq, previousLength: wanted.prevLen,
        oldest: 0, created: wanted.created, salt: bytes(wanted.salt),
        publicKey: bytes(vectors.checkpointPublicKey), keyID: "audit-1", range: read.range)
    let keys = SegmentKeys(auditKey: vectors.secret("audit"), committed: written.committed)
    #expect(keys.commitment.hex == wanted.commitment)
    written.commitment = keys.commitment
    #expect(written == read)
}

@Test func recordsAreSealedAsTheVectorsAre() throws {
    for number in vectors.segments.indices {
        let read = try #require(header(segment(number)))
        let keys = SegmentKeys(auditKey: vectors.secret("audit"), committed: read.committed)
        for entry in vectors.entries where entry.segment == number && entry.kind == "record" {
            let frame = Array(segment(number)[entry.offset..<entry.offset + entry.bytes])
            var sealed: [UInt8] = []
            let wanted = bytes(entry.plaintext ?? "")
            keys.seal(wanted.raw, index: entry.index, into: &sealed)
            #expect(sealed == frame)
            var (plaintext, none): ([UInt8], [UInt8]) = ([], [])
            #expect(ByteView.lending(frame) { keys.open($0, index: entry.index, into: &plaintext) })
            #expect(plaintext.hex == entry.plaintext)
            #expect(!ByteView.lending(frame) { keys.open($0, index: entry.index + 1, into: &none) } && none.isEmpty)
        }
    }
}

@Test func checkpointsAreSignedAsTheVectorsAre() throws {
    let origin = try #require(Origin(vectors.origin))
    let key = Ed25519PrivateKey(seed: vectors.secret("checkpoint"))
    let signer = try #require(NoteKey(vkey: vectors.vkey))
    #expect(signer.vkey == vectors.vkey && signer.publicKey.bytes == key.publicKey)
    for wanted in vectors.checkpoints {
        let root = try digest(bytes(wanted.root))
        let checkpoint = Checkpoint(origin: origin, size: wanted.size, root: root)
        #expect(checkpoint.signed(by: key) == wanted.note)
        let note = try #require(SignedNote(wanted.note))
        #expect(note.isSigned(by: signer) && Checkpoint(text: note.text) == checkpoint && note.note == wanted.note)
    }
}

/// No bit of a note can be changed.
@Test func everyBitOfANoteCounts() throws {
    let signer = try #require(NoteKey(vkey: vectors.vkey))
    let note = Array(vectors.checkpoints[0].note.utf8)
    for index in note.indices {
        for bit in 0..<8 {
            var changed = note
            changed[index] ^= 1 << UInt8(bit)
            guard let text = String(validating: changed, as: UTF8.self), let read = SignedNote(text) else { continue }
            #expect(!read.isSigned(by: signer), "byte \(index), bit \(bit)")
        }
    }
}

@Test(arguments: [
    ("example.org/vencejo", true), ("a", true), ("9.a-b", true), ("a/b_c/d", true), ("a/b/c/d", false), ("", false),
    ("a//b", false), ("A", false), ("a_b", false), ("-a", false), ("a/", false), (".a", false),
    (String(repeating: "a", count: 63), true), (String(repeating: "a", count: 64), false),
]) func deployments(name: String, isGood: Bool) throws {
    let id = try #require(LogID(bytes(vectors.logId)))
    #expect((Origin(deployment: name, id) != nil) == isGood)
}

@Test func anInclusionProofIsMadeAsTheVectorIs() throws {
    let index = try #require(vectors.proof.index)
    var proof = try #require(MerkleProof(ofInclusion: index, in: 25))
    for entry in vectors.entries { proof.append(try digest(bytes(entry.leafHash))) }
    let entry = vectors.entries[Int(index)]
    let frame = Array(segment(entry.segment)[entry.offset..<entry.offset + entry.bytes])
    let note = try #require(vectors.checkpoints.last?.note)
    let made = InclusionProof(entry: frame, index: index, hashes: try #require(proof.hashes), note: note)
    #expect(made.text == vectors.proof.text && InclusionProof(made.text) == made)
}

@Test(arguments: vectors.proofs.indices) func proofs(number: Int) throws {
    let (row, signers) = (vectors.proofs[number], try TrustedSigners(vectors.pubkey))
    let proof = InclusionProof(row.text)
    let isGood = proof.map { $0.isGood(signers) && $0.isOpened(by: bytes(row.opening)) } ?? false
    #expect(isGood == row.good, "\(row.what ?? "")")
}

@Test(arguments: vectors.keyFiles.indices) func payloadKeyFiles(number: Int) {
    let row = vectors.keyFiles[number]
    let file = vectors.text(row.file, pieces: vectors.keyPieces)
    let store = ["subject-store-1": vectors.secret("subject-store")]
    do {
        let read = try PayloadKeyFile(file, storeKeys: store)
        #expect(read.keys.map(\.name.hex) == row.kept, "\(row.what)")
    } catch {
        #expect(row.kept == nil, "\(row.what): \(error.sentence)")
    }
}

@Test func payloadKeyFilesAreWrittenAsTheVectorsAre() throws {
    for (hex, entries) in [
        (vectors.payloadKeys.fileBeforeErasure, vectors.payloadKeys.entriesBefore),
        (vectors.payloadKeys.fileAfterErasure, vectors.payloadKeys.entriesAfter),
    ] {
        let wanted = bytes(hex)
        let store = vectors.secret("subject-store")
        let read = try PayloadKeyFile(wanted, storeKeys: ["subject-store-1": store])
        #expect(read.keys.map(\.name.hex) == entries.map(\.name) && read.lostEntries.isEmpty)
        #expect(read.keys.map { $0.key.withBytes { [UInt8](copying: $0) }.hex } == entries.map(\.key))
        let written = PayloadKeyFile(kid: "subject-store-1", storeKey: store, salt: Array(wanted[16..<48]))
        var file = written.header
        for key in read.keys { file += written.append(key) }
        #expect(file == wanted)
    }
}
