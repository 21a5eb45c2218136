// Enters: connections that came to nothing, at times. Leaves: few records, in which each is counted once.
import Memory
import ServerMetrics
import Testing

@testable import Serving

private let second: UInt64 = 1_000_000_000

private func key(_ network: String, _ reason: RefusedReason = .handshake) -> RefusedTable.Key {
    RefusedTable.Key(reason: reason, network: network, listener: "127.0.0.1:8001")
}

/// Counts one each `step` ns for `seconds`, and takes what has ended as the server does.
private func flood(_ seconds: UInt64, step: UInt64, _ network: (UInt64) -> String) -> [RefusedTable.Entry] {
    var table = RefusedTable()
    var entries: [RefusedTable.Entry] = []
    var time: UInt64 = 0
    var number: UInt64 = 0
    while time < seconds * second {
        table.count(key(network(number)), now: time)
        number += 1
        time += step
        if let end = table.nextEnd, end <= time { entries += table.ended(now: time) }
    }
    while let end = table.nextEnd { entries += table.ended(now: end) }
    #expect(entries.map(\.count).reduce(0, +) == number, "each is counted once")
    return entries
}

@Test func aMillionOfOneNetworkAreFewRecords() {
    let entries = flood(100, step: 100_000) { _ in "192.0.2.0/24" }
    #expect(entries.count <= 9)
    #expect(entries.map(\.first) == entries.map(\.first).sorted() && entries.allSatisfy { $0.first <= $0.last })
}

@Test func windowsBeginAtOneSecondAndDoubleTo64() {
    let entries = flood(200, step: second / 10) { _ in "192.0.2.0/24" }
    let ends: [UInt64] = [1, 3, 7, 15, 31, 63, 127, 191]
    #expect(entries.dropLast().map { ($0.last + second / 10) / second } == ends)
}

/// However many networks there are, the table is bounded, and so are its records.
@Test func networksBeyondTheBoundAreCountedTogether() {
    let entries = flood(60, step: 100_000) { "198.18.\($0 % 5000).0/24" }
    #expect(Set(entries.map(\.key)).count <= RefusedTable.keysMax)
    #expect(entries.contains { $0.key.network == "others" })
    #expect(entries.count <= RefusedTable.keysMax * 7)
}

@Test func aNetworkThatIsQuietIsForgotten() {
    var table = RefusedTable()
    table.count(key("192.0.2.0/24"), now: 0)
    #expect(table.ended(now: second - 1).isEmpty)
    #expect(table.ended(now: second) == [RefusedTable.Entry(key: key("192.0.2.0/24"), count: 1, first: 0, last: 0)])
    #expect(table.ended(now: 3 * second).isEmpty && table.nextEnd == nil)
}

@Test(arguments: [
    ("192.0.2.7:4711", "192.0.2.0/24"), ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"), ("[::1]:1", "0:0:0:0::/64"),
    ("[2001:db8::5]:1", "2001:db8:0:0::/64"), ("[fe80::1%eth0]:1", "fe80:0:0:0::/64"), ("", "unix"), ("unix:", "unix"),
])
func networksOfPeers(_ peer: String, _ network: String) {
    #expect(RefusedTable.network(of: peer) == network)
}

@Test(arguments: RejectReason.allCases) func reasonsHaveTheMetricsNames(_ reason: RejectReason) {
    #expect("\(reason.literal)" == reason.rawValue)
}

@Test(arguments: Method.allCases) func eachMethodHasItsPolicy(_ method: Method) {
    var settings = AuditSettings(agentUser: 0)
    settings.predictions = AuditPolicy(.disk, .closed)
    settings.questions = AuditPolicy(.ring, .open)
    let policy = settings.policy(of: method)
    if method.prediction != nil || method == .feedback { #expect(policy == settings.predictions) }
    if method.isOrder { #expect(policy == settings.questions && method.errand != nil) }
    if [.healthCheck, .healthWatch, .reflection, .reflectionAlpha].contains(method) { #expect(policy == nil) }
}
