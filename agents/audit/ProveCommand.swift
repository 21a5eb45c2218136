// Enters: an entry's index. Leaves: a proof that the log has it, its opening; and whether such a proof is good.
import ArgumentParser
import Audit
import Cryptography
import Foundation
import Memory

struct ProveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Print a proof that an entry is in the log, under the log's newest checkpoint.",
        discussion: """
            The proof (c2sp.org/tlog-proof@v1) needs no key and shows no content. `vencejo-audit open` prints the content of \
            that one record; `vencejo-audit check` verifies both with the public key alone.
            """)

    @OptionGroup var options: ReadOptions
    @Option(help: ArgumentHelp("The entry's index, as receipts and export have it.", valueName: "number")) var index:
        UInt64

    func run() throws {
        var found: [UInt8]?
        let report = try options.read { entry, _ in if entry.index == index { found = entry.bytes.array } }
        try options.finish(report)
        guard let newest = report.newest, newest.checkpoint.size > index else {
            throw Failure(
                status: 1,
                sentence:
                    "--index \(index): the log's checkpoints cover \(report.covered) entries; ask again after the next one"
            )
        }
        guard let found, var proof = MerkleProof(ofInclusion: index, in: newest.checkpoint.size, behind: report.start)
        else {
            throw Failure(status: 1, sentence: "--index \(index): it is pruned; the log begins at \(report.start.size)")
        }
        let size = newest.checkpoint.size
        _ = try options.read { entry, _ in if entry.index < size { proof.append(entry.leafHash) } }
        guard let hashes = proof.hashes else { throw Failure(status: 1, sentence: "the log changed while it was read") }
        print(InclusionProof(entry: found, index: index, hashes: hashes, note: newest.note).text, terminator: "")
    }
}

struct OpenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Print what a third party needs to read one record, beside its proof.",
        discussion: "With the salt and the body of a request, a client proves what it sent and was told.")

    @OptionGroup var options: ReadOptions
    @OptionGroup var payloads: PayloadOptions
    @Option(help: ArgumentHelp("The record's index.", valueName: "number")) var index: UInt64

    func run() throws {
        guard options.keys != nil else {
            throw Failure(sentence: "records are encrypted: give --keys, the audit ring's folder")
        }
        let opener = try payloads.opener()
        var text: String?
        let report = try options.read { entry, header in
            guard entry.index == index, let plaintext = entry.plaintext else { return }
            let salt = opener?.open(plaintext, entry.index, header).flatMap { Payload.salt(in: $0) }
            let hidden = salt.map { ",\"salt\":\"\($0.hex)\"" } ?? ""
            text = "{\"log\":\"\(header.origin)\",\"index\":\(index),\"opening\":\"\(plaintext.hex)\"\(hidden)}"
        }
        guard let text else {
            throw Failure(
                status: 1,
                sentence: "--index \(index) is no record that --keys opens; there are \(report.entries) entries")
        }
        print(text)
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether a proof holds, with nothing but a public key.",
        discussion: "Exit status: 0 it holds, 1 it does not, 4 a file or the command line is wrong.")

    @Argument(help: ArgumentHelp("What `vencejo-audit prove` printed.", valueName: "file")) var proof: String
    @Option(help: ArgumentHelp("As for `verify`.", valueName: "file")) var pubkey: String
    @Option(help: ArgumentHelp("What `vencejo-audit open` printed of the same record.", valueName: "file")) var opening:
        String?

    func run() throws {
        let text = try Texts.text(proof, option: "the proof")
        let signers = try TrustOptions.signers(pubkey)
        guard let proof = InclusionProof(text), proof.isGood(signers) else {
            throw Failure(
                status: 1, sentence: "\(self.proof) does not prove that a log signed by --pubkey has this entry")
        }
        guard let opening else { return print("entry \(proof.index) is in the log") }
        let record = try Opening(path: opening)
        guard record.index == proof.index, proof.isOpened(by: record.bytes) else {
            throw Failure(status: 1, sentence: "\(opening) is not the content of entry \(proof.index)")
        }
        print("entry \(proof.index) is in the log, and its content is this record:")
        print(RecordJSON.record(record.bytes) ?? "no record")
    }
}

/// What `open` prints.
private struct Opening {
    private struct Document: Decodable {
        let log: String
        let index: UInt64
        let opening: String
        let salt: String?
    }

    let index: UInt64
    let bytes: [UInt8]

    init(path: String) throws {
        let data = Data(try Texts.read(path, option: "--opening"))
        guard let document = try? JSONDecoder().decode(Document.self, from: data),
            let bytes = [UInt8](hex: document.opening)
        else {
            throw Failure(sentence: #"--opening: \#(path) is not {"log":…,"index":…,"opening":"<hex>"}"#)
        }
        (index, self.bytes) = (document.index, bytes)
    }
}
