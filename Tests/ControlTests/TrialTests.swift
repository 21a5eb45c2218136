// Enters: a version, and what a trial told of it. Leaves: the report, and whether the file that was tried is loaded.
import Memory
import Tensors
import Testing

@testable import Control
@testable import Repository

private func shop() throws -> Workshop {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    try place.file("m/2/model.onnx", "no model")
    return try Workshop(place)
}

@Test func whatATrialTells() throws {
    let shop = try shop()
    // Its folder goes with it.
    defer { withExtendedLifetime(shop) {} }
    let report = shop.loader.trial("m", 1)
    #expect(report.failure == nil && report.model == "m" && report.version == 1)
    #expect(report.digest.count == 64 && report.bytes > 0 && report.loadNanoseconds > 0)
    #expect(!report.inputs.isEmpty && !report.outputs.isEmpty)
    #expect(report.facts.golden.isEmpty && report.facts.memoryBytes != nil)
    #expect(report.facts.p50Nanoseconds <= report.facts.p99Nanoseconds)
    #expect(report.gates(ModelConfiguration()).allSatisfy { $0.outcome != .failed })
}

@Test(arguments: [
    ("nobody", 1, "'nobody' does not exist"), ("m", 2, "model 'm' does not load"), ("m", 9, "cannot be used"),
])
func trialsThatFail(model: String, version: Int64, part: String) throws {
    let shop = try shop()
    // Its folder goes with it.
    defer { withExtendedLifetime(shop) {} }
    let report = shop.loader.trial(model, version)
    #expect(report.failure?.contains(part) == true, "\(report.failure ?? "")")
    #expect(report.digest.isEmpty && report.log != nil)
}

@Test func whatWasTriedIsWhatIsLoaded() throws {
    let shop = try shop()
    let plan = try #require(shop.plans.first)
    var report = shop.loader.trial("m", 1)
    let loaded = try shop.loader.load(plan, 1, checking: .beside(live: nil, tried: report)) {}
    #expect(loaded.hexDigest == report.digest)
    report.digest = String(repeating: "0", count: 64)
    let error = #expect(throws: LoadError.self) {
        try shop.loader.load(plan, 1, checking: .beside(live: nil, tried: report)) {}
    }
    #expect(error?.sentence == "its file changed after it was tried in a process of its own: load it again")
}
