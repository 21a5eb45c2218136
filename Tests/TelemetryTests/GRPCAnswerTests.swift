// Enters: answers over gRPC as they come off the wire. Leaves: verdicts.
import GRPC
import Memory
import Testing

@testable import Telemetry

private func verdict(
    http: String = "200", status: String?, message: String? = nil, details: String? = nil, body: [UInt8] = []
) -> Verdict {
    var answer = GRPCAnswer()
    answer.httpStatus = http
    answer.status = status
    answer.message = message
    answer.details = details
    answer.body = body
    return answer.verdict
}

@Test func answersThatTake() {
    let nothing = Verdict.taken(rejectedSpans: 0, message: "")
    #expect(verdict(status: "0") == nothing)
    #expect(verdict(status: "0", body: [0, 0, 0, 0, 0]) == nothing)
    // partial_success { rejected_spans: 7, error_message: "no" }
    #expect(
        verdict(status: "0", body: [0, 0, 0, 0, 8, 10, 6, 8, 7, 18, 2, 110, 111])
            == .taken(rejectedSpans: 7, message: "no"))
    #expect(
        verdict(status: "0", body: [1, 2, 3]) == nothing && verdict(status: "0", body: [1, 0, 0, 0, 0, 9]) == nothing)
}

@Test func answersThatDoNot() {
    #expect(
        verdict(status: "14", message: "come%20back%0Alater")
            == .later(afterNanoseconds: nil, reason: "gRPC status 14: come back later"))
    #expect(verdict(status: "3", message: nil) == .refused(reason: "gRPC status 3"))
    #expect(verdict(status: "99", message: nil) == .refused(reason: "gRPC status 99"))
    // RESOURCE_EXHAUSTED with a RetryInfo of 2 s, padded and not, and with what is none.
    let details = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg=="
    for details in [details, String(details.dropLast(2))] {
        #expect(
            verdict(status: "8", details: details) == .later(afterNanoseconds: 2_000_000_000, reason: "gRPC status 8"))
    }
    for details in ["", "!!!", "AAAA", nil] as [String?] {
        #expect(verdict(status: "8", details: details) == .refused(reason: "gRPC status 8"))
    }
}

/// From a proxy that knows no gRPC.
@Test(arguments: [
    ("503", true), ("502", true), ("429", true), ("504", true), ("404", false), ("401", false), ("", false),
])
func withoutAStatus(http: String, isLater: Bool) {
    for status in [nil, "", "x", "-1"] as [String?] {
        switch verdict(http: http, status: status) {
        case .later: #expect(isLater)
        case .refused: #expect(!isLater)
        case .taken: Issue.record("nobody took it")
        }
    }
}

@Test func framed() throws {
    let plain = GRPCRequest([1, 2, 3], isCompressed: true)
    #expect(plain.bytes == [0, 0, 0, 0, 3, 1, 2, 3] && !plain.isCompressed)
    let regular = [UInt8](repeating: 7, count: 100_000)
    #expect(GRPCRequest(regular, isCompressed: false).bytes.count == 100_005)
    let request = GRPCRequest(regular, isCompressed: true)
    #expect(request.isCompressed && request.bytes[0] == 1 && request.bytes.count < 1000)
    var arena = Arena(bytesMax: 1 << 20)
    let bytes = OwnedBytes(Array(request.bytes[5...]))
    #expect(try Gzip.inflate(bytes.view, bytesMax: 1 << 20, in: &arena).array == regular)
}
