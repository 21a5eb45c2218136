// Enters: what a log's writer wants of a folder. Leaves: it done, or why not. The agent does it with files, tests with a model of a disk.
public import Memory

/// One log's folder, as its one writer uses it.
///
/// Nothing is durable before it is synced. A file of which a write or a sync failed is never written again: the kernel may have dropped
/// what it could not write, and a later sync says nothing of that.
public protocol AuditVolume {
    func names() throws(VolumeError) -> [String]
    func read(_ name: String) throws(VolumeError) -> OwnedBytes
    /// Makes an empty file that was not there (O_EXCL); from here on it is the one that is written.
    func create(_ name: String) throws(VolumeError)
    /// At the end of the file made last.
    func write(_ bytes: [UInt8]) throws(VolumeError)
    /// fdatasync(2) of the file made last.
    func sync() throws(VolumeError)
    /// fdatasync(2) of a file of an earlier life.
    func sync(_ name: String) throws(VolumeError)
    /// fsync(2) of the folder: names that were made, changed or removed.
    func syncNames() throws(VolumeError)
    func rename(_ name: String, to other: String) throws(VolumeError)
    func remove(_ name: String) throws(VolumeError)
}

public struct VolumeError: Error, Equatable, Sendable {
    public let sentence: String
    public init(sentence: String) { self.sentence = sentence }
}
