// Enters: answers whose records are not durable yet, and messages that are at work. Leaves: each when its time has come.
import HTTP2
import Memory
import Protobuf

/// An answer whose record is not durable yet. Its exchange is held.
struct WaitingAnswer {
    enum Part {
        /// All of a unary call's, or of PredictMany's.
        case reply(WireWriter)
        /// One of a stream.
        case message(WireWriter)
        case refusal(Refusal)
    }

    let exchange: Pinned<Exchange>
    /// The shard's key of the connection.
    let connection: UInt64
    let sequence: UInt64
    /// On the shard's clock: then it is too late.
    let until: Int64
    let part: Part
    /// The log was told that it does not leave.
    var isWithheld = false
}

/// Answers in the order of their records, which is the order in which those become durable.
struct WaitingAnswers {
    private var answers: [WaitingAnswer] = []
    /// Those in front of it have left.
    private var first = 0

    var isEmpty: Bool { first == answers.count }

    mutating func append(_ answer: WaitingAnswer) { answers.append(answer) }

    /// The next one whose record is durable, or whose time is over.
    mutating func next(durable: UInt64, now: Int64) -> WaitingAnswer? {
        guard !isEmpty, answers[first].sequence <= durable || answers[first].until <= now else { return nil }
        let answer = answers[first]
        first += 1
        if isEmpty {
            answers.removeAll(keepingCapacity: true)
            first = 0
        } else if first > 1024, first > answers.count / 2 {
            answers.removeFirst(first)
            first = 0
        }
        return answer
    }

    /// Those of an exchange are not to leave; `tell` gets the records of those that were.
    mutating func withhold(_ exchange: Pinned<Exchange>, _ tell: (UInt64) -> Void) {
        for index in first..<answers.count
        where answers[index].exchange.object === exchange.object && !answers[index].isWithheld {
            answers[index].isWithheld = true
            tell(answers[index].sequence)
        }
    }
}

/// What records need of streams' messages that are at work, by the number that a message's job carries.
struct MessagesAtWork: ~Copyable {
    private var messages = Seats<AuditedMessage>()
    private var free: [Int32] = []

    /// - Returns: its number, for `take`.
    mutating func keep(_ message: AuditedMessage) -> Int32 {
        if let number = free.popLast() {
            messages[Int(number)] = message
            return number
        }
        messages.append(message)
        return Int32(messages.count - 1)
    }

    subscript(number: Int32) -> AuditedMessage { messages[Int(number)] }

    /// It came back: its number is another's from now on.
    mutating func take(_ number: Int32) -> AuditedMessage {
        free.append(number)
        return messages[Int(number)]
    }
}
