// Enters: headers and ids. Leaves: that they mean what OpenTelemetry's SDK takes them for.
import Memory
import Testing

@testable import Spans

@Test(arguments: Golden.all.contexts) func headersAsTheSDKReadsThem(row: Golden.Header) {
    let bytes = OwnedBytes(row.header)
    #expect(TraceContext(bytes.view) == row.context?.value)
    withExtendedLifetime(bytes) {}
}

@Test func everyByteOfAHeaderMatters() throws {
    let good = Array("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".utf8)
    for place in good.indices {
        for byte: UInt8 in [0, 0x20, 0x2d, 0x47, 0x67, 0x7f, 0xff] where byte != good[place] {
            var bad = good
            bad[place] = byte
            let bytes = OwnedBytes(bad)
            #expect(TraceContext(bytes.view) == nil, "byte \(place) is \(byte)")
            withExtendedLifetime(bytes) {}
        }
    }
}

@Test func traceStateIsPassedOnOrDropped() {
    let bytes = OwnedBytes([UInt8](repeating: 97, count: 513))
    #expect(TraceContext.traceState(bytes.view).isEmpty)
    #expect(TraceContext.traceState(bytes.view.prefix(512)).count == 512)
    #expect(TraceContext.traceState(.empty).isEmpty)
    withExtendedLifetime(bytes) {}
}

@Test func samplesAsTheSDKDoes() {
    for sample in Golden.all.samples {
        let sampler = Sampler(followsCaller: false, ratio: sample.ratio)
        #expect(sampler.samples(sample.traceID, caller: nil) == sample.sampled, "\(sample)")
    }
}

@Test(
    arguments: [
        ("always_on", nil, 0, true), ("always_on", nil, 1, true), ("always_off", nil, 1, false),
        ("traceidratio", "0", 1, false), ("traceidratio", nil, 0, true),
        ("parentbased_always_on", nil, 0, false), ("parentbased_always_on", nil, nil, true),
        ("parentbased_always_off", nil, 1, true), ("parentbased_always_off", nil, nil, false),
        ("parentbased_traceidratio", "0", 1, true), ("parentbased_traceidratio", "1", 0, false),
        ("parentbased_traceidratio", "0.0", nil, false),
    ] as [(String, String?, UInt8?, Bool)])
func samplersByName(name: String, argument: String?, caller: UInt8?, sampled: Bool) throws {
    let sampler = try Sampler(name: name, argument: argument)
    let id = TraceID(high: 1, low: 1 << 62)
    let context = caller.map { TraceContext(traceID: id, spanID: 5, flags: $0) }
    #expect(sampler.samples(id, caller: context) == sampled)
}

@Test(
    arguments: [("", nil), ("ratio", "1"), ("traceidratio", "2"), ("traceidratio", "nan"), ("traceidratio", "x")]
        as [(String, String?)])
func noSampler(name: String, argument: String?) {
    #expect(throws: SamplerError.self) { try Sampler(name: name, argument: argument) }
}

@Test func callsHaveTheirPlaceInATrace() {
    var tracer = Tracer(.init(followsCaller: true, ratio: 0.25), seeds: (1, 2))
    let caller = tracer.begin(traceparent: ByteView("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"))
    #expect(caller.traceID.hex == "4bf92f3577b34da6a3ce929d0e0e4736")
    #expect(caller.parentID == 0x00f0_67aa_0ba9_02b7 && caller.isSampled && caller.flags == 3)
    #expect(caller.spanID != caller.parentID && caller.spanID != 0)

    var seen: Set<TraceID> = []
    var spans: Set<UInt64> = []
    var sampled = 0
    for _ in 0..<10_000 {
        let context = tracer.begin(traceparent: ByteView("bad"))
        #expect(context.parentID == 0 && context.spanID != 0 && !context.traceID.isZero)
        seen.insert(context.traceID)
        spans.insert(context.spanID)
        if context.isSampled { sampled += 1 }
    }
    #expect(seen.count == 10_000 && spans.count == 10_000)
    // Five standard deviations.
    #expect(abs(sampled - 2500) < 217)
}
