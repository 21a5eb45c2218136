// Enters: intended times, and the time that it is. Leaves: which request is due, and how late the generator was.

/// When one thread sends. With a rate, times are fixed ahead: a request that cannot be sent yet stays due, and its latency
/// counts from its intended time. So a server that stalls is charged with all who would have called meanwhile.
struct Schedule {
    private var arrivals: Arrivals?
    private let begin: Int64
    let end: Int64
    private var due: Int64

    /// `arrivals: nil`: a request is due whenever there is room for one (a closed loop).
    init(_ arrivals: Arrivals?, begin: Int64, end: Int64) {
        self.arrivals = arrivals
        self.begin = begin
        self.end = end
        due = begin
        advance()
    }

    private mutating func advance() {
        guard let offset = arrivals?.next() else { return }
        due = begin + offset
    }

    /// The intended time of the next request, if it is due.
    mutating func take(now: Int64) -> Int64? {
        guard arrivals != nil else { return now >= begin && now < end ? now : nil }
        guard due <= now, due < end else { return nil }
        let intended = due
        advance()
        return intended
    }

    /// When something will be due; `nil`: never again.
    func nextDue(now: Int64) -> Int64? {
        guard arrivals != nil else { return now < end ? max(now, begin) : nil }
        return due < end ? due : nil
    }

    /// Takes all that is left, for who will not send it any more.
    mutating func abandon(_ body: (_ intended: Int64) -> Void) {
        while arrivals != nil, let intended = take(now: end) { body(intended) }
    }
}
