// Enters: a log, and keys. Leaves: its entries in order, for as long as they hold; what does not is told.
import ArgumentParser
import Audit
import Cryptography
import Foundation

/// What commands take that read records.
struct ReadOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("One log's folder, or a folder of logs.", valueName: "dir")) var folder: String
    @Option(help: ArgumentHelp("In a folder of logs, the one of this number. Default: the last.", valueName: "number"))
    var log: Int?
    @Option(help: ArgumentHelp("The audit ring's folder.", valueName: "dir")) var keys: String?

    var files: LogFiles {
        get throws { try AuditFolder(folder).log(number: log) }
    }

    /// Calls `visit` with each entry. - Returns: what was found on the way; a fault is told on standard error.
    func read(_ visit: @escaping (LogEntry, SegmentHeader) -> Void) throws -> LogReport {
        let keys = try keys.map { try Texts.keys($0, option: "--keys") }
        let verifier = Verifier(signers: nil, expected: nil, auditKeys: keys)
        let files = try files
        let report: LogReport
        do throws(UnreadableFile) { report = try verifier.read(files, visit: visit) } catch {
            throw Failure(sentence: error.sentence)
        }
        for fault in report.faults {
            VencejoAudit.complain("\(report.name) does not hold from here on: \(fault.sentence)")
        }
        for kid in report.missingKeys.sorted() {
            VencejoAudit.complain("--keys has no \(kid).key: its records stay closed")
        }
        return report
    }

    /// Ends with 1 if the log was tampered with: what was printed is only its beginning.
    func finish(_ report: LogReport) throws {
        guard report.faults.isEmpty else { throw ExitCode(VerifyStatus.tampered.rawValue) }
    }
}

/// Opens what records hide.
struct PayloadOpener {
    private let keys: [[UInt8]: Secret]

    init(_ keys: [PayloadKey]) { self.keys = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0.key) }) }

    /// `nil`: the record hides nothing, or its key is gone.
    func open(_ plaintext: [UInt8], _ index: UInt64, _ header: SegmentHeader) -> [UInt8]? {
        guard let sealed = Payload.sealed(inRecord: plaintext), let key = keys[sealed.key] else { return nil }
        return Payload.open(sealed.data, key: key, logID: header.logID, salt: header.salt, index: index)
    }
}

struct PayloadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The file of payload keys: open payloads too.", valueName: "file")) var payloadKeys:
        String?
    @Option(help: ArgumentHelp("The subject-store ring's folder, with --payload-keys.", valueName: "dir"))
    var storeKeys: String?

    func opener() throws -> PayloadOpener? { try keys().map(PayloadOpener.init) }

    /// `nil`: no file of payload keys is given.
    func keys() throws -> [PayloadKey]? {
        switch (payloadKeys, storeKeys) {
        case (nil, nil): nil
        case (let file?, let store?): try Self.keys(file: file, store: store)
        case (_?, nil):
            throw Failure(sentence: "--payload-keys is opened with the subject-store ring: give --store-keys too")
        case (nil, _?): throw Failure(sentence: "--store-keys opens a file of payload keys: give --payload-keys too")
        }
    }

    /// `file`: of payload keys; `store`: the folder of the subject-store ring.
    private static func keys(file: String, store: String) throws -> [PayloadKey] {
        let bytes = try Texts.read(file, option: "--payload-keys")
        let storeKeys = try Texts.keys(store, option: "--store-keys")
        do throws(PayloadKeyFileError) { return try PayloadKeyFile(bytes, storeKeys: storeKeys).keys } catch {
            throw Failure(sentence: "--payload-keys: \(file): \(error.sentence)")
        }
    }
}
