// Enters: errands that ask for the status as it changes. Leaves: the same, answered when there is news for them.
import Memory
import PredictionAPI
import Reactor
import Serving

/// Where errands of ModelControlService.Watch wait for news. Who was told comes back when he has got it (Serving/Desk.swift): a
/// caller who does not read costs nothing here.
final class NewsBoard: Sendable {
    /// What changes what is served is told at once, but not more often than this,
    static let pauseNanoseconds: Int64 = 100_000_000
    /// and what is only counted not more often than this.
    static let countsNanoseconds: Int64 = 500_000_000

    private struct Waiting {
        let errand: Errand
        /// What it was told last; `nil`: nothing yet.
        let told: StatusResponse?
        /// When it was looked at last.
        var lookedNanoseconds: Int64 = 0
    }

    private let arrived = Lock<[Errand]>([])
    private let semaphore = Semaphore()

    func post(_ errand: Errand) {
        arrived.withLock { $0.append(errand) }
        semaphore.post()
    }

    /// Answers errands as they come, on a thread of its own. `status`: what a request asks for, as it is now.
    func run(_ status: (ByteView) throws(ErrandRefusal) -> StatusResponse) -> Never {
        var waiting: [Waiting] = []
        while true {
            semaphore.wait(until: waiting.isEmpty ? .max : Clock.now() + Self.pauseNanoseconds)
            waiting += arrived.withLock { arrived in
                defer { arrived.removeAll() }
                return arrived.map { Waiting(errand: $0, told: Self.told($0)) }
            }
            let now = Clock.now()
            waiting.removeAll { waiting in
                if waiting.errand.isAbandoned {
                    waiting.errand.reply(.success([]))
                    return true
                }
                guard waiting.told == nil || now - waiting.lookedNanoseconds >= Self.pauseNanoseconds else {
                    return false
                }
                return Self.answer(waiting, now, status)
            }
            for index in waiting.indices { waiting[index].lookedNanoseconds = now }
        }
    }

    /// - Returns: whether there was something to tell.
    private static func answer(
        _ waiting: Waiting, _ now: Int64, _ status: (ByteView) throws(ErrandRefusal) -> StatusResponse
    ) -> Bool {
        let message = OwnedBytes(waiting.errand.message)
        do throws(ErrandRefusal) {
            let status = try status(message.view)
            guard isNews(status, told: waiting.told, sinceNanoseconds: now - waiting.errand.answeredNanoseconds) else {
                return false
            }
            waiting.errand.reply(.success(status.encoded))
        } catch {
            waiting.errand.reply(.failure(error))
        }
        return true
    }

    private static func told(_ errand: Errand) -> StatusResponse? {
        guard case .success(let bytes)? = errand.answer else { return nil }
        let message = OwnedBytes(bytes)
        return try? StatusResponse.decode(message.view)
    }

    /// Whether who was told `told` so long ago is to be told again.
    static func isNews(_ status: StatusResponse, told: StatusResponse?, sinceNanoseconds: Int64) -> Bool {
        guard let told else { return true }
        if sinceNanoseconds < pauseNanoseconds { return false }
        if status.outline != told.outline { return true }
        return sinceNanoseconds >= countsNanoseconds && status != told
    }
}

extension StatusResponse {
    var encoded: [UInt8] { Control.encoded { (arena) throws(ArenaFull) in try encode(headroom: 0, in: &arena) } }

    /// Without what is only counted.
    fileprivate var outline: StatusResponse {
        var outline = self
        outline.epoch = 0
        for model in outline.models.indices {
            for place in outline.models[model].versions.indices {
                let version = outline.models[model].versions[place]
                var bare = Version()
                (bare.number, bare.state, bare.slot, bare.percent) = (
                    version.number, version.state, version.slot, version.percent
                )
                outline.models[model].versions[place] = bare
            }
            outline.models[model].rollout?.verdict = ""
            outline.models[model].rollout?.gates = []
            if let shadow = outline.models[model].shadow {
                var bare = Shadow()
                (bare.version, bare.percent) = (shadow.version, shadow.percent)
                outline.models[model].shadow = bare
            }
            outline.models[model].experiment = outline.models[model].experiment?.outline
        }
        return outline
    }
}

extension StatusResponse.Experiment {
    fileprivate var outline: StatusResponse.Experiment {
        var outline = StatusResponse.Experiment()
        outline.startedMilliseconds = startedMilliseconds
        outline.arms = arms.map { arm in
            var bare = StatusResponse.Arm()
            (bare.version, bare.percent) = (arm.version, arm.percent)
            return bare
        }
        outline.comparisons = comparisons.map { comparison in
            var bare = StatusResponse.Comparison()
            (bare.version, bare.verdict) = (comparison.version, comparison.verdict)
            return bare
        }
        return outline
    }
}
