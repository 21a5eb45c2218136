// Enters: the name of an operation, and how often to do it. Leaves: how long one took; counted by budgets.py under valgrind.
import Glibc

/// usage: micro              names the operations
///        micro NAME COUNT   does one COUNT times and prints the nanoseconds that each took
///        micro expositions [ROUNDS [FOLDER]]  measures a scrape, see Expositions.swift
@main
enum Micro {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let name = arguments.first else {
            for operation in operations { print(operation.name) }
            return
        }
        if name == "expositions" {
            let more = Array(arguments.dropFirst())
            return try measureExpositions(
                rounds: more.first.flatMap { Int($0) }.map { max(1, $0) } ?? 20, folder: more.count > 1 ? more[1] : nil)
        }
        guard let operation = operations.first(where: { $0.name == name }),
            let count = arguments.dropFirst().first.flatMap({ Int($0) }), count > 0
        else {
            print("usage: micro [NAME COUNT | expositions [ROUNDS [FOLDER]]]")
            exit(2)
        }
        // The first one pays for what is prepared.
        let (once, more) = (try time(operation, 1), try time(operation, 1 + count))
        let nanoseconds = (more - once) / .nanoseconds(1) / Double(count)
        print((nanoseconds * 10).rounded() / 10)
    }

    private static func time(_ operation: Operation, _ count: Int) throws -> Duration {
        var done = 0
        let taken = try ContinuousClock().measure { done = try operation.run(count) }
        // What was done is used, so that it cannot be left out.
        precondition(done != 0)
        return taken
    }
}

/// `run` prepares what is needed, then does the operation so many times; its result depends on all of them.
struct Operation: Sendable {
    let name: String
    let run: @Sendable (Int) throws -> Int
}

let operations: [Operation] = dialectOperations + wireOperations + batchOperations
