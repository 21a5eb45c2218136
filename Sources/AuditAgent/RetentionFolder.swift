// Enters: the audit folder. Leaves: names and headers of the segments in it; and those gone that are due, one by one.
public import Audit
public import Memory

/// The audit folder, as retention uses it: a folder for each log. Each change is durable when it returns.
public protocol RetentionFolder {
    /// Names in the audit folder.
    func names() throws(VolumeError) -> [String]
    /// Names in a log's folder.
    func names(of log: String) throws(VolumeError) -> [String]
    /// The beginning of a file in a log's folder.
    func read(_ log: String, _ name: String, bytesMax: Int) throws(VolumeError) -> OwnedBytes
    /// Of a file in a log's folder.
    func remove(_ log: String, _ name: String) throws(VolumeError)
    /// Of a log's folder.
    func rename(_ log: String, to other: String) throws(VolumeError)
    /// Of an empty folder.
    func removeFolder(_ log: String) throws(VolumeError)
}

/// A segment, as its header and its neighbours' have it.
struct RetentionSegment {
    let log: String
    let name: String
    let sequence: UInt64
    /// Entries before it.
    let first: UInt64
    /// When it was begun, ns since 1970.
    let created: UInt64
}

/// Names of files, as TRUST 4.1 has them.
enum RetentionNames {
    /// In front of a log's folder that is being removed: a verifier passes over it, so no half of a log is ever seen.
    static let pruned = "pruned-"

    /// `nil`: no segment's.
    static func sequence(_ name: String) -> UInt64? {
        let bytes = Array(name.utf8)
        let (prefix, suffix) = (Array("segment-".utf8), Array(".aud".utf8))
        guard bytes.count == prefix.count + 12 + suffix.count, bytes.starts(with: prefix),
            bytes.suffix(suffix.count).elementsEqual(suffix)
        else { return nil }
        let digits = bytes[prefix.count..<prefix.count + 12]
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
    }

    /// `nil`: no log's folder.
    static func number(_ folder: String) -> UInt32? {
        LogID.isFolderName(folder) ? UInt32(folder.dropFirst(4).prefix(4)) : nil
    }
}

extension RetentionFolder {
    /// Folders of logs, from the oldest.
    func logs() throws(VolumeError) -> [(number: UInt32, name: String)] {
        try names().compactMap { name in RetentionNames.number(name).map { (number: $0, name: name) } }
            .sorted { $0.number < $1.number }
    }

    /// Segments of a log whose header can be read, in order. `known`: those that were read before.
    func segments(
        of log: String, known: inout [String: RetentionSegment]
    ) throws(VolumeError) -> [RetentionSegment] {
        var segments: [RetentionSegment] = []
        for name in try names(of: log).sorted() {
            guard let sequence = RetentionNames.sequence(name) else { continue }
            let key = "\(log)/\(name)"
            if let segment = known[key] {
                segments.append(segment)
                continue
            }
            let file = try read(log, name, bytesMax: SegmentHeader.byteCountMax)
            defer { withExtendedLifetime(file) {} }
            guard let header = SegmentHeader(file.view), header.sequence == sequence else { continue }
            let segment = RetentionSegment(
                log: log, name: name, sequence: sequence, first: header.first, created: header.created)
            known[key] = segment
            segments.append(segment)
        }
        return segments
    }
}
