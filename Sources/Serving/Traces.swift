// Enters: calls that ended. Leaves: spans of those that a trace is to tell of, and exemplars beside their buckets.
import GRPC
import HTTP2
import Memory
import Models
import Reactor
import ServerMetrics
public import Spans

/// Which calls are told of.
public struct TracingSettings: Sendable {
    /// Where nothing went wrong.
    public var sampler: Sampler
    /// A prediction that takes so long is told of whatever the sampler says; and so is one that fails by our fault.
    public var slowNanoseconds: Int64

    public init(sampler: Sampler, slowNanoseconds: Int64) {
        self.sampler = sampler
        self.slowNanoseconds = slowNanoseconds
    }

    /// A call that took less is no question, unless it failed or its caller traces it.
    var lookedAtFrom: Int64 { sampler.ratio > 0 ? 0 : slowNanoseconds }

    /// Records that a shard's ring holds: an agent that looks ten times a second sees 5000 a second.
    public static let records = 512
}

/// A shard's spans.
struct Traces {
    let settings: TracingSettings
    let ring: SpanRing
    var tracer: Tracer

    init(_ settings: TracingSettings, _ words: SharedWords) {
        self.settings = settings
        ring = SpanRing(words: words, identity: UInt64(bitPattern: Clock.now()))
        tracer = Tracer(settings.sampler)
    }
}

extension Shard {
    /// To be called while the exchange's head is still there.
    func traceIfWanted(_ exchange: Exchange, _ method: Method, of connection: Connection) {
        let call = records[exchange.seat].call
        let nanoseconds = max(now, call.ranUntil) - exchange.openedNanoseconds
        // Of nearly all calls that is all.
        guard call.code != 0 || rpcs[exchange.seat].hasTraceparent || nanoseconds >= lookedAtFrom else { return }
        guard let settings = traces?.settings else { return }
        let isPrediction = method.prediction?.isStreamed == false
        let isKept = isPrediction && (StatusName.isError(call.code) || nanoseconds >= settings.slowNanoseconds)
        guard isKept || rpcs[exchange.seat].hasTraceparent || settings.sampler.ratio > 0 else { return }
        trace(exchange, method, call, isKept: isKept, of: connection)
    }

    /// Where its caller says that it belongs.
    func trace(of exchange: Exchange) -> TraceContext? {
        rpcs[exchange.seat].hasTraceparent ? TraceContext(exchange.head.fields.only("traceparent")) : nil
    }

    private func trace(
        _ exchange: Exchange, _ method: Method, _ call: CallRecord, isKept: Bool, of connection: Connection
    ) {
        let fields = exchange.head.fields
        guard let context = traces?.tracer.begin(traceparent: fields.only("traceparent")), isKept || context.isSampled
        else { return }
        let began = exchange.openedNanoseconds
        let left = Clock.now() - began
        // A stream has many messages, and no phases of its own.
        let hasPhases = method.shape == .unary
        func after(_ time: Int64) -> Int64? { hasPhases && time > 0 ? max(0, time - began) : nil }
        let wall = Clock.wallMilliseconds()
        let names = server.configuration.page.names(row: Int(call.row))
        var record = SpanRecord(
            context: context, startUnixNanoseconds: UInt64(max(0, wall * 1_000_000 - left)),
            stamps: SpanStamps(
                read: call.gathered > 0 ? after(call.began) : nil, gathered: after(call.gathered),
                runBegan: after(call.ranFrom), runEnded: after(call.ranUntil), left: left),
            method: method == .none ? .empty : ByteView(method.path).dropFirst(1), status: call.code)
        record.rows = Int(call.batchRows)
        record.peer = connection.peer.view
        // It says something of its trace: of one that begins here it says nothing.
        if context.parentID != 0 { record.traceState = exchange.joined("tracestate") }
        if Int(call.row) != Page.unknownRow {
            record.model = names.model
            record.version = names.version.decimal
        }
        traces?.ring.write(record)
        recorder.count(.spans)
        guard method.prediction != nil, method.shape == .unary else { return }
        server.configuration.page.exemplify(
            call, nanoseconds: left, traceHigh: context.traceID.high, traceLow: context.traceID.low,
            unixMilliseconds: wall)
    }
}

extension List<Field> {
    /// The value of a field that is there once; else nothing: of two nobody knows which is meant.
    fileprivate func only(_ name: StaticString) -> ByteView {
        var value = ByteView.empty
        for index in indices where self[index].name == name {
            if !value.isEmpty { return .empty }
            value = self[index].value
        }
        return value
    }
}

extension Exchange {
    /// All values of a field that is a list, in order, as one list. Empty: it is not there, or there is no room.
    ///
    /// Source: RFC 9110, section 5.3.
    fileprivate func joined(_ name: StaticString) -> ByteView {
        let fields = head.fields
        var all = ByteView.empty
        for index in fields.indices where fields[index].name == name {
            if all.isEmpty {
                all = fields[index].value
                continue
            }
            let parts = (all, ByteView(","), fields[index].value)
            do throws(ArenaFull) {
                all = try headArena.join(parts.0.count + 1 + parts.2.count, alignment: 1, 3) {
                    $0 == 0 ? parts.0 : $0 == 1 ? parts.1 : parts.2
                }
            } catch {
                return .empty
            }
        }
        return all
    }
}

extension ByteView {
    /// A number in decimal digits; 0 for anything else.
    fileprivate var decimal: Int64 {
        var number: Int64 = 0
        for index in 0..<Swift.min(count, 18) {
            guard (0x30...0x39).contains(self[index]) else { return 0 }
            number = number * 10 + Int64(self[index] - 0x30)
        }
        return number
    }
}

extension Connection {
    /// Trailers that say where a prediction's time went, for callers who asked; the parts add up to the total. `nil`: it did
    /// not run.
    ///
    /// Source: W3C Server Timing; milliseconds.
    func timing(_ exchange: Exchange) -> List<Field>? {
        let call = shard.records[exchange.seat].call
        guard call.ranUntil > 0, !call.method.isStreamed else { return nil }
        let now = Clock.now()
        let batch = Int64(call.batchNanoseconds)
        let parts: [(StaticString, Int64)] = [
            ("read", call.gathered - call.began), ("queue", call.ranFrom - call.gathered), ("batch", batch),
            ("compute", call.ranUntil - call.ranFrom - batch), ("encode", now - call.ranUntil),
            ("total", now - call.began),
        ]
        let text = parts.map { "\($0.0);dur=\(milliseconds($0.1))" }.joined(separator: ", ")
        var fields = List<Field>()
        do throws(ArenaFull) {
            try fields.append(Field("grpc-status", "0"), in: &exchange.arena)
            let value = try exchange.arena.copy("\(text), rows;desc=\(call.batchRows)")
            try fields.append(Field(name: ByteView("server-timing"), value: value), in: &exchange.arena)
        } catch {
            return nil
        }
        return fields
    }

    /// With six places: to the nanosecond.
    private func milliseconds(_ nanoseconds: Int64) -> String {
        let digits = String(1_000_000 + nanoseconds % 1_000_000).dropFirst()
        return "\(nanoseconds / 1_000_000).\(digits)"
    }
}
