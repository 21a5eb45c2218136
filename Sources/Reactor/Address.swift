// Enters: an address as text. Leaves: an address as the kernel takes it.
import Glibc

public struct AddressError: Error, Equatable {
    /// Names the text, what is wrong with it and what is allowed.
    public let sentence: String
}

/// Where to listen or to connect: `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`, `unix:@NAME` (Linux's abstract names).
///
/// A host is a numeric address or `localhost`; names are not looked up.
public struct Address: Sendable, Equatable, CustomStringConvertible {
    enum Kind: Sendable, Equatable {
        case ip4(host: String, port: UInt16)
        case ip6(host: String, port: UInt16)
        case unix(String)
    }

    var kind: Kind

    init(_ kind: Kind) { self.kind = kind }

    public init(_ text: String) throws(AddressError) {
        let allowed = "allowed are HOST:PORT, [IPV6]:PORT, unix:PATH and unix:@NAME"
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < 108 else {
                throw AddressError(sentence: "address \"\(text)\": a Unix socket's path has 1 to 107 bytes")
            }
            kind = .unix(path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            throw AddressError(sentence: "address \"\(text)\" has no port; \(allowed)")
        }
        let port = text[text.index(after: colon)...]
        guard let number = UInt16(port), !port.hasPrefix("+") else {
            throw AddressError(sentence: "address \"\(text)\": port \"\(port)\" is not a number from 0 to 65535")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            var address = in6_addr()
            guard unsafe inet_pton(AF_INET6, host, &address) == 1 else {
                throw AddressError(sentence: "address \"\(text)\": \"\(host)\" is not an IPv6 address")
            }
            kind = .ip6(host: host, port: number)
            return
        }
        if host == "localhost" { host = "127.0.0.1" }
        var address = in_addr()
        guard unsafe inet_pton(AF_INET, host, &address) == 1 else {
            throw AddressError(
                sentence: "address \"\(text)\": host \"\(host)\" is not a numeric IP address or localhost; \(allowed)")
        }
        kind = .ip4(host: host, port: number)
    }

    /// The same address at another port.
    public func with(port: UInt16) -> Address {
        switch kind {
        case .ip4(let host, _): Address(.ip4(host: host, port: port))
        case .ip6(let host, _): Address(.ip6(host: host, port: port))
        case .unix: self
        }
    }

    public var port: UInt16? {
        switch kind {
        case .ip4(_, let port), .ip6(_, let port): port
        case .unix: nil
        }
    }

    /// Reachable from this machine only.
    public var isLocal: Bool {
        switch kind {
        case .ip4(let host, _): host.hasPrefix("127.")
        case .ip6(let host, _): host == "::1"
        case .unix: true
        }
    }

    public var description: String {
        switch kind {
        case .ip4(let host, let port): "\(host):\(port)"
        case .ip6(let host, let port): "[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    var family: CInt {
        switch kind {
        case .ip4: AF_INET
        case .ip6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// The address as the kernel's calls take it, for as long as `body` runs.
    @unsafe func withSocketAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int) -> Int {
        switch kind {
        case .ip4(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            unsafe inet_pton(AF_INET, host, &address.sin_addr)
            return unsafe withBytes(of: &address, body)
        case .ip6(let host, let port):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            unsafe inet_pton(AF_INET6, host, &address.sin6_addr)
            return unsafe withBytes(of: &address, body)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            // An abstract name begins with NUL, written "@".
            var bytes = Array(path.utf8)
            if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
            let length = MemoryLayout<sa_family_t>.size + bytes.count + (bytes[0] == 0 ? 0 : 1)
            return unsafe withUnsafeBytes(of: &address) {
                unsafe body($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
            }
        }
    }

    @unsafe private func withBytes<Value>(
        of value: inout Value, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int
    ) -> Int {
        unsafe withUnsafeBytes(of: &value) {
            unsafe body(
                $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<Value>.size))
        }
    }
}
