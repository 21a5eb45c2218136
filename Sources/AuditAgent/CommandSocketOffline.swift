// Enters: a request, and the paths that the agent would have. Leaves: it done under the audit folder's lock, where no agent runs.
internal import Audit
internal import Cryptography
internal import Glibc
internal import Keyrings
internal import Memory

/// What the commands do themselves where no agent listens: one short life of the log's writer.
public struct CommandOffline {
    private let folder: String
    private let keys: String
    private let payloadKeys: String
    private let anchor: String?
    private let name: String
    private let anchored: (String) -> Void

    /// - Parameters:
    ///   - folder: the audit folder, with a log in it.
    ///   - keys: the folder of the four rings.
    ///   - payloadKeys: the path of the file.
    ///   - anchor: of the anchor file; it is there.
    ///   - name: what the log calls this program: name and version.
    ///   - anchored: gets each checkpoint as a line of JSON, without its end, and what is wrong with the anchor file.
    public init(
        folder: String, keys: String, payloadKeys: String, anchor: String?, name: String,
        anchored: @escaping (String) -> Void
    ) {
        (self.folder, self.keys, self.payloadKeys, self.anchor, self.name) = (folder, keys, payloadKeys, anchor, name)
        self.anchored = anchored
    }

    /// Errors: an agent writes the folder, a ring or file is refused, there is no log.
    public func perform(_ request: CommandRequest) throws(AgentError) -> CommandReply {
        let clock = SystemClock()
        let directory = try AuditDirectory(locking: folder)
        defer { withExtendedLifetime(directory) {} }
        let rings = try AgentKeyrings(folder: keys, now: clock.now)
        let anchors = try anchor.map { (path) throws(AgentError) in try AnchorFile(path, mustExist: true) }
        let known =
            try anchors.map { (file) throws(AgentError) in try file.read(signers: rings.signers) }
            ?? .none(signers: rings.signers)
        let log = try LogOpening(
            directory, deployment: try deployment(directory), auditKeys: rings.auditKeys, anchors: known,
            random: RandomBytes.make
        ).open()
        let store = try openStore(rings)
        var writer = LogWriter(
            log.volume, from: log.state, keys: rings.logKeys, now: clock.now.unixNanoseconds, random: RandomBytes.make
        ) { [anchored] note, now in
            let line = AnchorLine.text(note, at: now)
            anchored(line)
            if let fault = anchors?.append(line) { anchored(fault) }
        }
        let now = clock.now.unixNanoseconds
        do throws(VolumeError) {
            var beginning: [OwnRecord] = [
                .log(log.beginning, agent: name), .clock(clock.state, stepNanoseconds: 0),
            ]
            if let loss = store.loss { beginning.append(.alarm(name: "payload_keys", text: loss)) }
            let drafts = beginning.map { record in
                let plaintext = record.plaintext(time: now, blind: RandomBytes.make(32))
                return Draft(isUrgent: true, plaintext: plaintext)
            }
            _ = try writer.append(drafts, now: now)
        } catch {
            throw AgentError(sentence: error.sentence)
        }
        let reply = request.perform(
            uid: getuid(), store, subjectIndex: rings.indexRing, now: now, random: RandomBytes.make,
            status: { "no agent runs" },
            append: { (drafts) throws(VolumeError) in try writer.append(drafts, now: now) })
        writer.roll(.end, now: clock.now.unixNanoseconds)
        anchors?.sync(clock.now, isLast: true)
        return reply
    }

    /// As the newest log's headers have it.
    private func deployment(_ directory: AuditDirectory) throws(AgentError) -> String {
        do throws(VolumeError) {
            let retention = RetentionDisk(folder)
            var known: [String: RetentionSegment] = [:]
            for (_, log) in try retention.logs().reversed() {
                guard let segment = try retention.segments(of: log, known: &known).first else { continue }
                let file = try retention.read(log, segment.name, bytesMax: SegmentHeader.byteCountMax)
                defer { withExtendedLifetime(file) {} }
                if let header = SegmentHeader(file.view) { return String(header.origin.text.dropLast(33)) }
            }
        } catch {
            throw AgentError(sentence: error.sentence)
        }
        throw AgentError(sentence: "\(folder) holds no log, so there is nothing to record it in: start the agent first")
    }

    private func openStore(_ rings: AgentKeyrings) throws(AgentError) -> PayloadKeyStore<FolderVolume> {
        guard let keys = PayloadStoreKeys(rings.storeRing) else {
            throw AgentError(sentence: "\(self.keys)/subject-store has no active key with a file")
        }
        do throws(PayloadKeyStoreError) {
            let (parent, name) = PayloadKeyPath.split(payloadKeys)
            let volume: FolderVolume
            do throws(VolumeError) {
                volume = try FolderVolume(parent)
                // A wrong path would find no key of the subject, and say that all is done.
                guard try volume.names().contains(name) else {
                    throw VolumeError(sentence: "\(payloadKeys) is not there: name the file with --payload-keys")
                }
            } catch {
                throw PayloadKeyStoreError(sentence: error.sentence)
            }
            return try PayloadKeyStore(volume, name: name, keys: keys, random: RandomBytes.make)
        } catch {
            throw AgentError(sentence: error.sentence)
        }
    }
}

/// The path of the file of payload keys.
public enum PayloadKeyPath {
    /// Its folder, and its name in it.
    public static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let folder = String(path[..<slash])
        return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
    }
}
