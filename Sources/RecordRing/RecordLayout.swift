// Enters: nothing. Leaves: where the words of a ring file and of a record are, and how many there may be.
//
// A file. Words have 64 bits and are native (little-endian on every machine that this runs on).
//
// | word                | content                                                                                     |
// |---------------------|---------------------------------------------------------------------------------------------|
// | 0                   | magic "VCJRING1"                                                                            |
// | 1                   | layout of the file and of its records, 1                                                    |
// | 2                   | rings                                                                                       |
// | 3                   | words a ring                                                                                |
// | 4, 5                | the server's instance, 16 bytes read as two big-endian numbers                              |
// | 6                   | mode: 1 acknowledge, 2 overwrite                                                            |
// | 16 + 16 r           | ring r, line of the server: head, words ever written                                        |
// | 17 + 16 r           | tail, where the oldest record that may still be read begins                                 |
// | 24 + 16 r           | ring r, line of the agent: durable, where the first record begins that is not durable       |
// | 25 + 16 r           | sequence of the last durable record; all bits one: unknown, it was skipped                  |
// | 26 + 16 r           | check of those two words: the agent's write is not one store                                |
// | a multiple of 512   | the words of ring 0, of ring 1, …; position p of a ring is its word p modulo words a ring   |
//
// A record begins where the one before it ends, and may go on at the ring's first word. `head` is stored last.
//
// | word   | every record                                                                                             |
// |--------|----------------------------------------------------------------------------------------------------------|
// | 0      | bits 0–31 words of the record, this one included · 32–39 kind                                            |
// | 1      | sequence, from 1 in each ring                                                                            |
// | 2      | checksum of all other words (RecordChecksum.swift)                                                       |
// | 3      | when it began, ns since 1970                                                                             |
//
// | word   | a call (kind 3); numbers as in message Call of the audit log's Record                                    |
// |--------|----------------------------------------------------------------------------------------------------------|
// | 4–9    | version · epoch · read · queue · run · total, ns                                                         |
// | 10–14  | request_bytes · answer_bytes · batch · exposure · routing_key                                            |
// | 15, 16 | trace id, 16 bytes read as two big-endian numbers; zero: none                                            |
// | 17     | a byte each: auth, verdict, status, slot, cache, fallback, draw; then bits 0–1 body of the request,      |
// |        | 2–3 of the answer (0 none, 1 copy, 2 SHA-256, 3 left out), 4 a text was cut, 5 labels were left out      |
// | 18     | bits 0–31 rows · 32–63 batch_rows                                                                        |
// | 19     | batch_first · imputed                                                                                    |
// | 20     | clipped · outliers                                                                                       |
// | 21     | share_ppm · message                                                                                      |
// | 22     | clock_error, µs · labels                                                                                 |
// | 23     | bytes of the request's body in the record · of the answer's                                              |
// | 24     | 16 bits each: bytes of method, principal, credential, reason                                             |
// | 25     | of asked, model, artifact, request_id                                                                    |
// | 26     | of peer, subject, labels; 16 bits of zero                                                                |
// | 27 …   | those eleven, then both bodies; each begins with a word, zeros behind its last byte                      |
//
// Labels: for each u16 bytes of its name, u16 bytes of its value, both (little-endian).
//
// | word   | another event: kind 4 admin, 5 refused, 6 gap, 7 withheld, 8 server (numbers of the fields in Record)    |
// |--------|----------------------------------------------------------------------------------------------------------|
// | 4      | bytes of the payload                                                                                     |
// | 5 …    | payload: the event's protobuf message                                                                    |
internal import Memory

/// Bounds and places of records.
public enum RecordLayout {
    /// A body up to here is copied; of a larger one a SHA-256 digest is kept, or nothing.
    public static let bodyBytesMax = 64 << 10
    /// The protobuf message of an event that is no call.
    public static let eventBytesMax = 64 << 10
    public static let digestBytes = 32
    /// What a record keeps of each text. A longer one is cut between characters, and the record says so.
    public static let methodBytesMax = 128
    public static let principalBytesMax = 256
    public static let credentialBytesMax = 64
    public static let reasonBytesMax = 64
    public static let askedBytesMax = 256
    public static let modelBytesMax = 128
    public static let requestIDBytesMax = 128
    public static let peerBytesMax = 128
    public static let subjectBytesMax = 256
    /// 16 labels of 256 bytes of name and 256 of value, encoded.
    public static let labelsMax = 16
    public static let labelsBytesMax = labelsMax * (4 + 512)

    static let headerWords = 4
    static let checksumWord = 2
    static let callWords = 27
    static let eventWords = 5

    private static let textWordsMax =
        words(methodBytesMax) + words(principalBytesMax) + words(credentialBytesMax) + words(reasonBytesMax)
        + words(askedBytesMax) + words(modelBytesMax) + words(digestBytes) + words(requestIDBytesMax)
        + words(peerBytesMax) + words(subjectBytesMax)
    /// A call without labels and bodies, however long its texts are. Every credit has at least so many words.
    static let callWordsMax = callWords + textWordsMax
    static let recordWordsMax = callWordsMax + words(labelsBytesMax) + 2 * words(bodyBytesMax)
    /// The largest record. A ring holds at least one.
    public static let recordBytesMax = 8 * recordWordsMax

    /// The credit that a call needs at admission.
    ///
    /// - Parameters:
    ///   - labels: bytes of its encoded labels.
    ///   - request: bytes of the request that may be copied; 0: none are.
    ///   - answer: bytes of the answer that may be copied; `nil`: the model does not declare how many.
    public static func callBytes(labels: Int = 0, request: Int, answer: Int?) -> Int {
        8 * (callWordsMax + words(min(labels, labelsBytesMax)) + bodyWords(request) + bodyWords(answer ?? bodyBytesMax))
    }

    /// The credit that another event needs.
    public static func eventBytes(payload: Int) -> Int { 8 * (eventWords + words(payload)) }

    private static func bodyWords(_ bytes: Int) -> Int { words(bytes > bodyBytesMax ? digestBytes : max(0, bytes)) }

    /// Of so many bytes, which are no fewer than none.
    @inline(__always)
    static func words(_ bytes: Int) -> Int { (bytes &+ 7) &>> 3 }
}

/// Places in the file.
enum RingLayout {
    /// "VCJRING1", in the order of its bytes.
    static let magic: UInt64 = 0x3147_4e49_524a_4356
    static let layout: UInt64 = 1
    static let magicWord = 0
    static let layoutWord = 1
    static let ringsWord = 2
    static let wordsWord = 3
    static let instanceWord = 4
    static let modeWord = 6
    static let patienceWord = 7
    static let headerWords = 16

    /// Of a ring, from its first line on.
    static let linesWords = 16
    static let head = 0
    static let tail = 1
    static let durable = 8
    static let durableSequence = 9
    static let durableCheck = 10

    /// What a reader believes of the word above.
    static let patienceNanosecondsMax: UInt64 = 100_000_000
    static let pageWords = 512
    static let ringsMax = 1024
    static let ringWordsMax = 1 << 32

    static func lines(of ring: Int) -> Int { headerWords + ring * linesWords }

    /// The first word of ring 0: a page of the kernel's begins there.
    static func dataStart(rings: Int) -> Int { (lines(of: rings) + pageWords - 1) / pageWords * pageWords }

    /// The agent's write is a system call, which may be seen half done: both words and this one agree, or none counts.
    static func check(position: UInt64, sequence: UInt64) -> UInt64 {
        SplitMix.mixed(position ^ SplitMix.mixed(sequence &+ SplitMix.step))
    }
}

/// Which record's words may be written over.
public enum RecordRingMode: UInt64, Sendable, CaseIterable {
    /// Those that the agent has made durable. Where none are, there is no credit.
    case acknowledge = 1
    /// The oldest. The reader sees by the sequences how many it missed.
    case overwrite = 2
}

/// What a record is about; the raw values are the numbers of the fields in the audit log's Record.
public enum RecordKind: UInt8, Sendable, CaseIterable {
    case call = 3
    case admin = 4
    case refused = 5
    case gap = 6
    case withheld = 7
    case server = 8
}
