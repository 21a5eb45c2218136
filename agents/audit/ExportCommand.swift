// Enters: a log. Leaves: its records as JSON lines, or its tree as tiles.
import ArgumentParser
import Audit
import Cryptography
import Foundation

struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Print a log's entries for people, a line each.")

    @OptionGroup var options: ReadOptions

    func run() throws {
        let report = try options.read { entry, header in
            let words =
                switch entry.kind {
                case .header: "segment \(header.sequence), key \(header.keyID)"
                case .seal: "seal"
                case .record: entry.plaintext.map { RecordJSON.record($0) ?? "no record" } ?? "closed"
                }
            print("\(entry.index)\t\(words)")
        }
        try options.finish(report)
    }
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print a log's records as JSON lines, or write its tree as tiles.",
        discussion: """
            A line is {"index":…,"record":{…},"payload":{…}}. The payload is there if --payload-keys opens it; it is absent \
            when its subject was erased.
            """)

    @OptionGroup var options: ReadOptions
    @OptionGroup var payloads: PayloadOptions
    @Option(
        help: ArgumentHelp(
            "Write C2SP tiles into this folder instead, with the newest checkpoint; needs no key.", valueName: "dir"))
    var tiles: String?

    func run() throws {
        if let tiles { return try write(tiles) }
        guard options.keys != nil else {
            throw Failure(sentence: "records are encrypted: give --keys, the audit ring's folder")
        }
        let opener = try payloads.opener()
        let report = try options.read { entry, header in
            guard let plaintext = entry.plaintext, let record = RecordJSON.record(plaintext) else { return }
            let payload = opener?.open(plaintext, entry.index, header).flatMap { RecordJSON.payload($0) }
            print("{\"index\":\(entry.index),\"record\":\(record)\(payload.map { ",\"payload\":\($0)" } ?? "")}")
        }
        try options.finish(report)
    }

    private func write(_ folder: String) throws {
        var tiles = Tiles()
        var failure: Failure?
        func put(_ path: String, _ bytes: [UInt8]) {
            let file = URL(fileURLWithPath: folder).appending(path: path)
            do {
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(bytes).write(to: file)
            } catch {
                failure =
                    failure
                    ?? Failure(sentence: "--tiles: \(file.path) cannot be written: \(error.localizedDescription)")
            }
        }
        var leaves: [Digest] = []
        let report = try options.read { entry, _ in leaves.append(entry.digest) }
        try options.finish(report)
        guard report.start.size == 0 else {
            throw Failure(
                sentence: "--tiles: the log's first \(report.start.size) entries are pruned, tiles need all of them")
        }
        guard let newest = report.newest else { throw Failure(sentence: "--tiles: the log has no checkpoint yet") }
        for leaf in leaves.prefix(Int(newest.checkpoint.size)) { tiles.append(leaf, put) }
        tiles.finish(put)
        put("checkpoint", Array(newest.note.utf8))
        if let failure { throw failure }
    }
}
