// Enters: addresses as an operator writes them. Leaves: how they are understood, or one sentence on what is wrong.
import Testing

@testable import Reactor

struct AddressRow: Sendable, CustomTestStringConvertible {
    var text: String
    var described: String
    var port: UInt16?
    var isLocal: Bool
    var testDescription: String { text }
}

@Test(arguments: [
    AddressRow(text: "127.0.0.1:8001", described: "127.0.0.1:8001", port: 8001, isLocal: true),
    AddressRow(text: "127.9.8.7:0", described: "127.9.8.7:0", port: 0, isLocal: true),
    AddressRow(text: "localhost:65535", described: "127.0.0.1:65535", port: 65535, isLocal: true),
    AddressRow(text: "0.0.0.0:1", described: "0.0.0.0:1", port: 1, isLocal: false),
    AddressRow(text: "10.1.2.3:00080", described: "10.1.2.3:80", port: 80, isLocal: false),
    AddressRow(text: "[::1]:8001", described: "[::1]:8001", port: 8001, isLocal: true),
    AddressRow(text: "[::]:8001", described: "[::]:8001", port: 8001, isLocal: false),
    AddressRow(text: "[2001:db8::7]:9", described: "[2001:db8::7]:9", port: 9, isLocal: false),
    AddressRow(text: "unix:/run/vencejo.sock", described: "unix:/run/vencejo.sock", port: nil, isLocal: true),
    AddressRow(text: "unix:a:80", described: "unix:a:80", port: nil, isLocal: true),
    AddressRow(text: "unix:@vencejo", described: "unix:@vencejo", port: nil, isLocal: true),
    AddressRow(
        text: "unix:" + String(repeating: "p", count: 107), described: "unix:" + String(repeating: "p", count: 107),
        port: nil, isLocal: true),
])
func addresses(row: AddressRow) throws {
    let address = try Address(row.text)
    #expect(address.description == row.described)
    #expect(address.port == row.port)
    #expect(address.isLocal == row.isLocal)
    #expect(try Address(address.description) == address)
    #expect(address.with(port: 7).port == (row.port == nil ? nil : 7))
}

@Test(arguments: [
    ("", "has no port"), ("8001", "has no port"), ("localhost", "has no port"),
    ("[::1]", "is not a number from 0 to 65535"),
    ("127.0.0.1:", "is not a number from 0 to 65535"), ("127.0.0.1:http", "is not a number from 0 to 65535"),
    ("127.0.0.1:65536", "is not a number from 0 to 65535"), ("127.0.0.1:-1", "is not a number from 0 to 65535"),
    ("127.0.0.1:+1", "is not a number from 0 to 65535"), ("127.0.0.1: 80", "is not a number from 0 to 65535"),
    (":80", "is not a numeric IP address or localhost"), ("example.org:80", "is not a numeric IP address or localhost"),
    ("127.0.0:80", "is not a numeric IP address or localhost"), ("1.2.3.256:80", "is not a numeric IP address"),
    ("::1:80", "is not a numeric IP address or localhost"), ("LOCALHOST:80", "is not a numeric IP address"),
    ("[127.0.0.1]:80", "is not an IPv6 address"), ("[]:80", "is not an IPv6 address"),
    ("[::g]:80", "is not an IPv6 address"),
    ("[fe80::1%eth0]:80", "is not an IPv6 address"), ("unix:", "1 to 107 bytes"),
    ("unix:" + String(repeating: "p", count: 108), "1 to 107 bytes"),
    ("unix:" + String(repeating: "é", count: 54), "1 to 107 bytes"),
])
func addressesThatAreWrong(text: String, reason: String) throws {
    let error = try #require(throws: AddressError.self) { try Address(text) }
    #expect(error.sentence.contains(reason))
    // Names what was given.
    #expect(error.sentence.hasPrefix("address \"\(text)\""))
    #expect(!error.sentence.contains("\n"))
}

@Test(
    arguments: [
        ("max 100000\n", nil), ("", nil), ("200000", nil), ("100000 100000\n", 1), ("150000 100000\n", 2),
        ("200000 100000\n", 2), ("200001 100000\n", 3), ("1000 100000\n", 1), ("0 100000\n", nil), ("-1 100000\n", nil),
        ("100000 0\n", nil), ("1 2 3", nil), ("a b", nil), ("1600000 100000", 16), ("100000\t100000", 1),
        ("99999999999999999999 100000", nil), ("9223372036854775807 100000", 92_233_720_368_548),
    ] as [(String, Int?)])
func quotas(text: String, cores: Int?) {
    #expect(Cores.quota(text) == cores)
}

@Test func atLeastOneCoreIsGranted() { #expect(Cores.granted() >= 1) }
