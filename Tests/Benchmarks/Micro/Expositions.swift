// Enters: how often. Leaves: how long it takes to read a page of 64 versions and write it down, in each format, and how long
// that is. Not counted by budgets.py: it is a scrape's cost, not a request's.
import Glibc
import ServerMetrics

/// usage: micro expositions [ROUNDS [FOLDER]]: the page and what was made of it stay in the folder.
func measureExpositions(rounds: Int, folder: String?) throws {
    let path = folder.map { $0 + "/page" } ?? "/tmp/vencejo-micro-\(getpid()).page"
    let page = try Page(
        .server(rpcs: ["Check", "Watch", "ListModels", "LoadModel", "UnloadModel"]),
        Page.Size(shards: 8, models: 32, versions: 64),
        Page.Origin(unixNanoseconds: 1, monotonicNanoseconds: 1, bootID: (1, 2), processID: getpid()), path: path)
    defer { if folder == nil { unsafe unlink(path) } }
    let rows = write(page)
    let reader = PageReader(path: path, createdTimestamps: false, now: { 2 })
    let text = reader.render(.text)
    let series = text.split(separator: UInt8(ascii: "\n")).count { $0.first != UInt8(ascii: "#") }
    print("\(series) series, a page of \(page.layout.words * 8) bytes; milliseconds: the quickest, the median")
    let clock = ContinuousClock()
    for format in ExpositionFormat.allCases {
        var (bytes, taken) = (0, [Double]())
        for _ in 0..<rounds {
            let duration = clock.measure { bytes = reader.render(format).count }
            taken.append(duration / .milliseconds(1))
        }
        if let folder, let file = unsafe fopen("\(folder)/\(format)", "w") {
            let body = reader.render(format)
            unsafe fwrite(body, 1, body.count, file)
            unsafe fclose(file)
        }
        taken.sort()
        print("\(format): \(shown(taken[0])) \(shown(taken[rounds / 2])), \(bytes) bytes")
    }
    let look = clock.measure { for _ in 0..<rounds { precondition(reader.look().isUp) } }
    print("reading alone: \(shown(look / .milliseconds(rounds)))")
    withExtendedLifetime(rows) {}
}

private func shown(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }

/// Every row with calls of two methods, all parts of which took a while, on every shard.
private func write(_ page: Page) -> [Row] {
    var rows: [Row] = []
    for model in 0..<32 {
        let name = "model-\(model)"
        let modelRow = page.row(.model, model: name, unixNanoseconds: 1)
        rows.append(modelRow)
        for version in 1...2 {
            let row = page.row(.version, model: name, version: "v\(version)", unixNanoseconds: 1)
            page.describe(row, slot: version, digest: Array(0..<32), format: "onnx")
            rows.append(row)
            for shard in 0..<page.layout.shards {
                let recorder = page.recorder(shard: shard)
                for number in 1...40 {
                    var call = CallRecord()
                    (call.row, call.modelRow) = (Int32(row.number), Int32(modelRow.number))
                    (call.method, call.code) = (number % 2 == 0 ? .predict : .modelInfer, number % 10 == 0 ? 13 : 0)
                    (call.rows, call.isInFlight) = (3, true)
                    call.began = 1_000_000
                    call.gathered = call.began + Int64(number) * 7_000
                    call.ranFrom = call.gathered + Int64(number * number) * 3_000
                    call.ranUntil = call.ranFrom + Int64(number) * 900_000
                    recorder.count(.inFlight, row: row.number)
                    recorder.ended(
                        call, left: call.ranUntil + Int64(number) * 11_000, times: 1, requestBytes: 400,
                        responseBytes: 90)
                    recorder.ran(row: row.number, rows: number)
                }
            }
        }
    }
    return rows
}
