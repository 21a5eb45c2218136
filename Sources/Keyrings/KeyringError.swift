// Enters: what is wrong with which ring. Leaves: a reason for a metric, and one sentence for the operator.
internal import Glibc

/// Why a ring is not loaded, or not changed.
public struct KeyringError: Error, Equatable, Sendable {
    /// A closed set, fit for a metric's label.
    public enum Reason: String, CaseIterable, Sendable {
        /// The folder is not there, or none.
        case folder
        /// The system refused; the sentence has its words.
        case system
        case permissions
        /// Would be allowed where the ring is configured so.
        case groupReadable = "group_readable"
        /// A symbolic link, a folder, a pipe where a file has to be.
        case kind
        /// A file that belongs to no ring.
        case name
        case missing
        case unlisted
        case large
        case length
        /// Neither base64 nor PEM.
        case encoding
        case zero
        case repeated
        /// `keyring.json` is no document of the format.
        case form
        case kid
        case purpose
        case algorithm
        case active
        case time
        /// It changed while it was read.
        case changed
        /// Another command holds the ring.
        case busy
        /// The key's state does not allow it.
        case state
    }

    public let reason: Reason
    /// Names file, value and bound, and what to do.
    public let sentence: String

    init(_ reason: Reason, _ sentence: String) {
        self.reason = reason
        self.sentence = sentence
    }
}

/// A text that others chose, in quotation marks, clipped and without control characters.
func quoted(_ text: String) -> String {
    let clipped = String(text.unicodeScalars.prefix(512))
    return (clipped.utf8.count < text.utf8.count ? clipped + "…" : clipped).debugDescription
}

// MARK: - The folder and its files

extension KeyringError {
    static func folder(_ path: String, _ code: CInt) -> Self {
        switch code {
        case ENOENT: Self(.folder, "the ring \(quoted(path)) does not exist; make it with vencejo key generate")
        case ENOTDIR: Self(.folder, "the ring \(quoted(path)) is no folder; name the folder that holds keyring.json")
        default: system(path, code)
        }
    }

    static func noParent(_ path: String) -> Self {
        Self(.folder, "the folder in which the ring \(quoted(path)) is to lie does not exist; make it first")
    }

    static func system(_ path: String, _ code: CInt) -> Self {
        Self(.system, "\(quoted(path)): \(words(of: code))")
    }

    /// strerror(3) is safe to call from threads since glibc 2.32.
    private static func words(of code: CInt) -> String { unsafe String(cString: strerror(code)) }

    static func dataLink(_ path: String, _ target: String) -> Self {
        Self(
            .kind,
            "\(quoted(path + "/..data")) leads to \(quoted(target)), and must lead to a folder beside it, as in a "
                + "volume of Kubernetes")
    }

    static func folderIsWritable(_ path: String, _ mode: UInt32) -> Self {
        Self(
            .permissions,
            "the folder \(quoted(path)) has mode \(octal(mode)): others than its owner can put keys there; "
                + "run: chmod go-w \(shellWord(path))")
    }

    static func permissions(_ path: String, _ mode: UInt32) -> Self {
        let fault = mode & 0o4 != 0 ? "is readable by others" : "is writable by others than its owner"
        return Self(
            .permissions,
            "\(quoted(path)) \(fault) (mode \(octal(mode))); run: chmod 0600 \(shellWord(path)), or in "
                + "Kubernetes set defaultMode: 0400")
    }

    static func groupReadable(_ path: String, _ mode: UInt32) -> Self {
        Self(
            .groupReadable,
            "\(quoted(path)) is readable by its group (mode \(octal(mode))); run: chmod 0600 "
                + "\(shellWord(path)), or allow it for this ring, as an fsGroup of Kubernetes needs it")
    }

    private static func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    static func link(_ path: String, _ target: String) -> Self {
        Self(
            .kind,
            "\(quoted(path)) is a symbolic link to \(quoted(target)); put the file itself there (links are followed "
                + "only where Kubernetes makes them, to ..data/NAME)")
    }

    static func notMounted(_ path: String) -> Self {
        Self(
            .kind,
            "\(quoted(path)) must be a link to ..data/NAME, as all files of a Kubernetes volume are; take it out of "
                + "the folder")
    }

    static func kind(_ path: String, _ found: String) -> Self {
        Self(.kind, "\(quoted(path)) is \(found), and must be a regular file; take it out of the ring")
    }

    static func notAFile(_ path: String) -> Self {
        Self(.kind, "\(quoted(path)) must be a regular file; name the file that holds the key")
    }

    static func name(_ path: String) -> Self {
        Self(
            .name,
            "\(quoted(path)) is neither keyring.json nor KID.key, where KID is 1 to \(KeyID.bytesMax) of A-Z a-z 0-9 . _ "
                + "- and begins with a letter or a digit; take it out of the ring")
    }

    static func tooManyFiles(_ path: String, _ filesMax: Int) -> Self {
        Self(.large, "the folder \(quoted(path)) holds more than \(filesMax) files, which is the limit")
    }

    static func missingDocument(_ path: String) -> Self {
        Self(
            .missing,
            "\(quoted(path + "/" + KeyringDocument.fileName)) is missing, so the folder is no ring; make one with "
                + "vencejo key generate --purpose PURPOSE --ring DIR")
    }

    static func missingKey(_ path: String, _ entry: KeyringDocument.Entry) -> Self {
        Self(
            .missing,
            "\(quoted(path)) is missing, and keyring.json lists the key \(entry.kid) as \(entry.state.rawValue); put the "
                + "file back, or take its entry out of keyring.json")
    }

    static func unlisted(_ path: String) -> Self {
        Self(
            .unlisted,
            "\(quoted(path)) is not listed in keyring.json; delete the file if the key was never in use (an "
                + "interrupted command leaves one), else list it")
    }

    static func tooLarge(_ path: String, _ bytes: Int, _ bytesMax: Int) -> Self {
        Self(.large, "\(quoted(path)) has \(bytes) bytes, and must have at most \(bytesMax)")
    }

    static func changed(_ path: String) -> Self {
        Self(.changed, "\(quoted(path)) changed while it was read; replace files by renaming new ones over them")
    }
}
