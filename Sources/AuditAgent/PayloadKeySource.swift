// Enters: subjects and months. Leaves: the keys that payloads are sealed under.
public import Audit

/// Gives the keys that payloads are sealed under, and makes new ones durable.
public protocol PayloadKeySource {
    /// The key of a subject's month (yyyymm, UTC); a new one is made where there is none. `subject`: 16 bytes.
    mutating func key(subject: [UInt8], month: UInt32) -> PayloadKey
    /// Makes every key that `key` made durable. Called before the batch that names them is written.
    mutating func flush() throws(VolumeError)
}
