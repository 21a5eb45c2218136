import Audit
import AuditAgent
import Foundation
import Memory
import Testing

/// The audit folder with system calls does what its model does.
@Test func aFolderOnADisk() throws {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory()).appending(path: "retention-\(getpid())")
    let log = "log-0000-" + String(repeating: "0", count: 32)
    let files = FileManager.default
    try files.createDirectory(at: folder.appending(path: log), withIntermediateDirectories: true)
    defer { try? files.removeItem(at: folder) }
    for name in ["segment-000000000000.aud", "segment-000000000001.aud"] {
        try Data(repeating: 7, count: 10_000).write(to: folder.appending(path: log).appending(path: name))
    }
    let disk = RetentionDisk(folder.path)
    #expect(try disk.names() == [log])
    #expect(try disk.names(of: log).sorted() == ["segment-000000000000.aud", "segment-000000000001.aud"])
    let begin = try disk.read(log, "segment-000000000000.aud", bytesMax: 100)
    withExtendedLifetime(begin) { #expect(begin.view.array == [UInt8](repeating: 7, count: 100)) }
    let used = try disk.bytesUsed()
    #expect((20_000...200_000).contains(used), "\(used)")
    let volume = try disk.volume()
    #expect(volume.bytes > 0 && volume.free <= volume.bytes)
    #expect(try disk.pressure(bytesMax: 1) == .closed)
    try disk.remove(log, "segment-000000000000.aud")
    #expect(try disk.names(of: log) == ["segment-000000000001.aud"])
    try disk.rename(log, to: "pruned-" + log)
    #expect(try disk.names() == ["pruned-" + log])
    #expect(throws: VolumeError.self) { try disk.removeFolder("pruned-" + log) }
    try disk.remove("pruned-" + log, "segment-000000000001.aud")
    try disk.removeFolder("pruned-" + log)
    #expect(try disk.names().isEmpty)
    for body in [
        { _ = try disk.names(of: log) }, { _ = try disk.read(log, "x", bytesMax: 1) }, { try disk.remove(log, "x") },
        { try disk.rename(log, to: "y") },
    ] as [() throws -> Void] {
        #expect { try body() } throws: { ($0 as? VolumeError)?.sentence.contains("No such file") == true }
    }
}
