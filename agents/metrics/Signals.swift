// Enters: SIGTERM and SIGINT. Leaves: the moment at which the first of them came.
import Dispatch
import Foundation

/// Catches the two, as long as it lives.
struct Signals {
    private let came: AsyncStream<Void>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (came, continuation) = AsyncStream.makeStream(of: Void.self)
        self.came = came
        sources = [SIGTERM, SIGINT].map { number in
            // Dispatch tells of it only; what it would do by itself has to be turned off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield() }
            source.resume()
            return source
        }
    }

    func first() async {
        for await _ in came { break }
        for source in sources { source.cancel() }
    }
}
