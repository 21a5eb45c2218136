// Enters: what is wrong with a ring or its file. Leaves: a sentence that says so.
internal import Glibc
public import Memory

/// Why a record cannot be read although it is there.
public enum RecordFault: Equatable, Sendable {
    /// Head or tail contradict each other, or a reader that was further.
    case head(UInt64, tail: UInt64)
    /// A record of so many words begins, and so many were written from there on.
    case length(UInt64, written: UInt64)
    case checksum
    case sequence(UInt64, after: UInt64)

    var sentence: String {
        switch self {
        case .head(let head, let tail): "its head \(head) and its tail \(tail) contradict each other or what was read"
        case .length(let words, let written):
            "a record of \(words) words begins, must have \(RecordLayout.headerWords) to "
                + "\(min(written, UInt64(RecordLayout.recordWordsMax)))"
        case .checksum: "a record's checksum is wrong"
        case .sequence(let found, let last): "record \(found) follows record \(last)"
        }
    }
}

/// Why a ring file cannot be made, opened or read.
public enum RecordRingError: Error, Equatable {
    /// The server cannot make the file.
    case file(SharedFileError)
    /// A ring of so many bytes has no room for the largest record, or is larger than a ring may be.
    case size(bytes: Int)
    case rings(Int)
    /// errno of what failed.
    case system(path: String, operation: String, code: CInt)
    /// The file is no ring file of this layout, or its name is another instance's.
    case foreign(path: String)
    /// The file is shorter than its header says.
    case short(path: String, bytes: Int)
    /// Nothing behind `position`, in words, can be read but by `skipToHead`.
    case broken(path: String, ring: Int, position: UInt64, RecordFault)
    /// The log has record `sequence` of this ring, which ends with record `last`.
    case behind(path: String, ring: Int, sequence: UInt64, last: UInt64)

    public var sentence: String {
        switch self {
        case .file(let error): error.sentence
        case .size(let bytes):
            "a ring of \(bytes) bytes, must be between \(RecordLayout.recordBytesMax) and \(RingLayout.ringWordsMax * 8)"
        case .rings(let count): "\(count) rings, must be between 1 and \(RingLayout.ringsMax)"
        case .system(let path, let operation, let code):
            "\(path): \(operation): \(unsafe String(cString: strerror(code)))"
        case .foreign(let path):
            "\(path) is no ring file of layout \(RingLayout.layout), or has another instance's name: "
                + "update the agent, or remove the file"
        case .short(let path, let bytes):
            "\(path) has \(bytes) bytes, fewer than its header says: its rings are lost; remove it when its server has ended"
        case .broken(let path, let ring, let position, let fault):
            "\(path): ring \(ring) is broken at word \(position): \(fault.sentence); skip to its head, and record an alarm"
        case .behind(let path, let ring, let sequence, let last):
            "\(path): the log has record \(sequence) of ring \(ring), which ends with record \(last): another server's log"
        }
    }
}
