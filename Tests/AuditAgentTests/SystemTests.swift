// Enters: real folders, sockets and clocks. Leaves: whether the agent's own implementations keep their promises.
import Audit
import Cryptography
import Foundation
import Glibc
import Memory
import TestSupport
import Testing

@testable import AuditAgent
@testable import RecordRing

/// The sentence of an error; `nil`: there was none.
private func sentence(_ body: () throws -> Void) -> String? {
    do { try body() } catch let error as VolumeError {
        return error.sentence
    } catch let error as AgentError {
        return error.sentence
    } catch {
        return "\(error)"
    }
    return nil
}

@Test func aFolderAsAVolume() throws {
    let place = try Place()
    let volume = try FolderVolume(place.folder)
    #expect(sentence { try volume.write([1]) } == "\(place.folder): no file was made to be written")
    try volume.create("a")
    #expect(sentence { try volume.create("a") } == "\(place.folder)/a: open: File exists")
    let bytes = pattern(300_000)
    try volume.write(bytes)
    try volume.write([7])
    try volume.sync()
    try volume.syncNames()
    let read = try volume.read("a")
    withExtendedLifetime(read) { #expect(read.view.array == bytes + [7]) }
    var status = stat()
    #expect(unsafe stat(place.folder + "/a", &status) == 0 && status.st_mode & 0o777 == 0o600)
    try volume.sync("a")
    try volume.rename("a", to: "b")
    #expect(try volume.names() == ["b"])
    try volume.remove("b")
    #expect(try volume.names() == [])
    #expect(sentence { _ = try volume.read("b") } == "\(place.folder)/b: open: No such file or directory")
    #expect(sentence { _ = try FolderVolume(place.folder + "/none") }?.hasSuffix("No such file or directory") == true)
}

/// The second process is told which the first one is.
@Test func oneProcessWritesAFolder() throws {
    let place = try Place()
    let path = place.folder + "/audit"
    do {
        let first = try AuditDirectory(locking: path)
        let second = sentence { _ = try AuditDirectory(locking: path) }
        let wanted = "\(path) is written by another process (pid \(getpid()), "
        #expect(second?.hasPrefix(wanted) == true, "\(second ?? "")")
        let volume = try first.make("log-0000-x")
        try volume.create("segment")
        #expect(try first.names() == ["log-0000-x"] && first.open("log-0000-x").names() == ["segment"])
        #expect(sentence { _ = try first.make("log-0000-x") } == "\(path)/log-0000-x: mkdir: File exists")
    }
    _ = try AuditDirectory(locking: path)
}

@Test func clocks() {
    let clock = SystemClock()
    let (first, second) = (clock.now, clock.now)
    #expect(first.unixNanoseconds > startUnixNanoseconds / 2 && second.nanoseconds >= first.nanoseconds)
    #expect(clock.state.maxErrorMicroseconds > 0)
}

/// A listening socket of SOCK_SEQPACKET, and what comes.
@Test func seqPacketSockets() throws {
    let place = try Place()
    let path = place.folder + "/s"
    let sockets = SeqPacketSockets()
    #expect(sockets.connect(path) == nil)
    #expect(sockets.connect(path + String(repeating: "x", count: 200)) == nil)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
    let listener = socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0)
    defer { close(listener) }
    let bound = unsafe withUnsafeBytes(of: &address) {
        unsafe bind(
            listener, $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    #expect(bound == 0 && listen(listener, 1) == 0)
    let opened = try #require(sockets.connect(path))
    let accepted = accept(listener, nil, nil)
    #expect(opened.send([1, 2, 3]) && opened.send([4]) && !opened.isClosed)
    var room = [UInt8](repeating: 0, count: 8)
    #expect(unsafe recv(accepted, &room, 8, 0) == 3 && recv(accepted, &room, 8, 0) == 1)
    // Packets that are not taken fill the socket, and then one is not sent.
    var sent = 0
    while sent < 100_000, opened.send(pattern(1000)) { sent += 1 }
    #expect(1..<100_000 ~= sent)
    close(accepted)
    #expect(opened.isClosed && !opened.send([5]))
    sockets.remove(path)
    #expect(place.names == [])
}

@Test func anchorFiles() throws {
    let place = try Place()
    let path = place.folder + "/anchors"
    #expect(
        sentence { _ = try AnchorFile(path, mustExist: true) }
            == "\(path): open: No such file or directory; make an empty file before the first start")
    let signer = Ed25519PrivateKey(seed: Secret(copying: pattern(32).raw))
    let signers = Ed25519PublicKey(signer.publicKey.raw).map { [$0] } ?? []
    let id = try #require(LogID([0, 3] + pattern(14)))
    let origin = try #require(Origin(deployment: "test", id))
    func line(_ size: UInt64, by key: Ed25519PrivateKey = signer) -> String {
        AnchorLine.text(Checkpoint(origin: origin, size: size, root: MerkleTree.emptyRoot).signed(by: key), at: size)
    }
    let first = try AnchorFile(path, mustExist: false)
    #expect(try first.read(signers: signers).newest(of: "test") == nil)
    for size in [1, 2] as [UInt64] { #expect(first.append(line(size)) == nil) }
    // By a key that the ring does not have.
    let other = Ed25519PrivateKey(seed: Secret(copying: pattern(32, 1).raw))
    #expect(first.append(line(9, by: other)) == nil)
    first.sync(AgentTime(unixNanoseconds: 0, nanoseconds: 2_000_000_000))
    // Cut in the middle.
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(line(3).utf8.prefix(50)))
    let second = try AnchorFile(path, mustExist: true)
    let read = try second.read(signers: signers)
    #expect(read.checkpoints(of: id.hex).map(\.size) == [2, 1] && read.sizeMax(of: id.hex) == 2)
    #expect(read.newest(of: "test")?.size == 2 && read.newest(of: "tes") == nil)
    #expect(second.append(line(4)) == nil)
    let third = try AnchorFile(path, mustExist: true)
    #expect(try third.read(signers: signers).checkpoints(of: id.hex).map(\.size) == [4, 2, 1])
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("{}\n".utf8))
    #expect(sentence { _ = try third.read(signers: signers) }?.hasPrefix("\(path): line 6 is not ") == true)
}

/// All of it together: real folders, a real clock; the log is whole at the end.
@Test func aLifeOnAFileSystem() throws {
    let (place, rings) = (try Place(), try Place())
    let clock = SystemClock()
    let keyrings = try AgentKeyrings(folder: SharedKeyrings.place.folder, now: clock.now)
    let audit = place.folder + "/audit"
    let server = try Server(rings.folder)
    for life in 0..<2 as Range<UInt64> {
        let folder = try AuditDirectory(locking: audit)
        let log = try LogOpening(
            folder, deployment: "test/a", auditKeys: keyrings.auditKeys, anchors: .none(signers: keyrings.signers),
            random: RandomBytes.make
        ).open()
        let agent = AuditAgent(
            log, rings: rings.folder, keyrings: keyrings, payloadKeys: MemoryKeys(KeyStore()), copies: .none,
            name: "test", world: .init(clock: clock, sockets: SeqPacketSockets(), random: RandomBytes.make),
            voice: AgentVoice {
                Issue.record("\($1)")
            } anchor: { _ in
            })
        for number in 1...50 as ClosedRange<UInt64> { server.shards[0].write(call(50 * life + number)) }
        #expect(agent.finish { _ in })
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: audit)
    #expect(names.count == 1)
    let folder = audit + "/" + names[0]
    let files = LogFiles(name: names[0], names: try FolderVolume(folder).names()) { (name, _) throws(UnreadableFile) in
        do throws(VolumeError) { return try FolderVolume(folder).read(name) } catch {
            throw UnreadableFile(sentence: error.sentence)
        }
    }
    let pubkeys = keyrings.signers.map { Base64.encode($0.bytes.raw) }.joined(separator: "\n")
    let report = try Verifier(
        signers: TrustedSigners(pubkeys), expected: nil, auditKeys: keyrings.auditKeys
    ).verify(files)
    #expect(report.status == .whole && report.logs[0].records == 104)
}
