// Enters: what became of each request of one thread. Leaves: histograms and counts.
import GRPC

/// What one thread has seen. Only requests whose intended time lies in the window count.
struct Tally: Sendable {
    private let window: Range<Int64>
    /// Of answers with the status OK, from the intended time of sending.
    private(set) var latency = Histogram()
    /// From a request's intended time until the generator got to it; without those that waited for room.
    private(set) var lateness = Histogram()
    private(set) var statuses = [Int](repeating: 0, count: StatusCode.allCases.count)
    /// The first sentence of each status other than OK.
    private(set) var sentences = [String?](repeating: nil, count: StatusCode.allCases.count)
    /// Found as many requests on their way as are allowed.
    private(set) var waited = 0
    /// Not sent until the run was given up.
    private(set) var unsent = 0
    /// Answers that came within the window, whatever their request's time; of them, those with the status OK.
    private(set) var answersInWindow = 0
    private(set) var okInWindow = 0
    var reconnects = 0

    init(window: Range<Int64>) { self.window = window }

    mutating func sent(intended: Int64, now: Int64, waited hasWaited: Bool) {
        guard window.contains(intended) else { return }
        if hasWaited { waited += 1 } else { lateness.record(nanoseconds: now - intended) }
    }

    mutating func answered(intended: Int64, now: Int64, _ status: StatusCode) {
        if window.contains(now) {
            answersInWindow += 1
            if status == .ok { okInWindow += 1 }
        }
        guard window.contains(intended) else { return }
        statuses[Int(status.rawValue)] += 1
        if status == .ok { latency.record(nanoseconds: now - intended) }
    }

    mutating func abandoned(intended: Int64) {
        if window.contains(intended) { unsent += 1 }
    }

    func needsSentence(_ status: StatusCode) -> Bool { status != .ok && sentences[Int(status.rawValue)] == nil }

    mutating func keep(_ sentence: String, of status: StatusCode) {
        if needsSentence(status) { sentences[Int(status.rawValue)] = sentence }
    }

    mutating func merge(_ other: Tally) {
        latency.merge(other.latency)
        lateness.merge(other.lateness)
        for index in statuses.indices {
            statuses[index] += other.statuses[index]
            sentences[index] = sentences[index] ?? other.sentences[index]
        }
        waited += other.waited
        unsent += other.unsent
        answersInWindow += other.answersInWindow
        okInWindow += other.okInWindow
        reconnects += other.reconnects
    }
}
