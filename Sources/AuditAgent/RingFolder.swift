// Enters: the folder of ring files. Leaves: the lives of servers in it, as they come and go.
internal import Glibc
internal import RecordRing

/// The ring files of a folder that are open.
struct RingFolder {
    /// Rings that are open at once, of all files together: each has a window of memory.
    static let ringsMax = 1024
    let path: String
    private(set) var lives: [ServerLife] = []
    /// Files that cannot be opened, told once each.
    private var refused: Set<String> = []

    init(_ path: String) { self.path = path }

    var rings: Int { lives.reduce(0) { $0 + $1.rings.count } }

    /// Opens what is new. A file that is gone and not written any more is closed.
    /// - Parameter begin: gets each new life.
    mutating func look(_ say: (String) -> Void, begin: (ServerLife) -> Void) throws(RecordRingError) {
        let paths = try names()
        for path in paths where !lives.contains(where: { $0.file.path == path }) {
            do throws(RecordRingError) {
                guard let life = try open(path) else {
                    if refused.insert(path).inserted {
                        say("\(path) waits: more than \(Self.ringsMax) rings are open")
                    }
                    continue
                }
                refused.remove(path)
                lives.append(life)
                begin(life)
            } catch {
                if refused.insert(path).inserted { say(error.sentence) }
            }
        }
        refused.formIntersection(paths)
        lives.removeAll { life in
            !paths.contains(life.file.path) && (life.isFailed || life.isDrained && life.isRecorded)
        }
        for life in lives where !life.isDead && !life.file.isWritten {
            life.isDead = true
            for ring in life.rings { ring.isAtEnd = false }
        }
    }

    /// A folder that is not there yet has no files.
    private func names() throws(RecordRingError) -> [String] {
        do throws(RecordRingError) { return try RecordRingFile.paths(in: path) } catch {
            if case .system(_, _, let code) = error, code == ENOENT { return [] }
            throw error
        }
    }

    /// `nil`: there is no room for its rings now.
    private func open(_ path: String) throws(RecordRingError) -> ServerLife? {
        let file = try RecordRingFile(path)
        guard file.rings <= Self.ringsMax - rings else { return nil }
        var states: [RingState] = []
        for ring in 0..<file.rings {
            states.append(
                RingState(
                    try RecordRingReader(file, ring: ring), instance: file.instance.high, ringPath: path,
                    patience: ring == file.rings - 1 ? 0 : file.patienceNanoseconds))
        }
        return ServerLife(file, rings: states)
    }

    mutating func remove(_ life: ServerLife) { lives.removeAll { $0 === life } }
}

extension ServerLife {
    /// The log says how it ended.
    var isRecorded: Bool { hasEnded || isRecordedAsLost }
}
