// Enters: folders with Triton's configuration. Leaves: which versions are loaded, warmed up, or refused with a sentence.
import Foundation
import Memory
import OpenInference
import Tensors
import Testing

@testable import Control
@testable import Models
@testable import Repository
@testable import Serving

private func shop(_ configuration: String, versions: [Int64] = [1, 2, 3]) throws -> Workshop {
    let place = Place()
    for version in versions { try place.fixture("digits/1", as: "digits/\(version)") }
    try place.file("digits/config.pbtxt", configuration)
    let shop = try Workshop(place)
    try shop.start()
    return shop
}

private func failure(_ shop: Workshop) -> String? { shop.reports.withLock { $0 }.first?.log }

@Test(arguments: [
    ("", ["digits 3 blue live", "digits 2 green ready"]),
    ("version_policy { latest { num_versions: 1 } }", ["digits 3 blue live"]),
    ("version_policy { specific { versions: [ 1, 2 ] } }", ["digits 2 blue live", "digits 1 green ready"]),
    ("version_policy { specific { versions: [ 1, 9 ] } }", ["digits 1 blue live"]),
])
func thePolicySaysWhichVersionsAreLoaded(configuration: String, lines: [String]) throws {
    #expect(try shop(configuration).lines == lines)
}

@Test func aPolicyThatWantsNothingFails() throws {
    let shop = try shop("version_policy { specific { versions: [ 9 ] } }", versions: [1])
    let wanted = "version_policy names 9, and the model has 1: name versions that are there"
    #expect(failure(shop) == "digits/config.pbtxt: \(wanted)")
}

@Test func settingsArriveAtTheServable() throws {
    let shop = try shop(
        """
        max_batch_size: 16 dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 70 }
        instance_group [ { count: 2 } ] default_model_filename: "model.onnx" metric_tags { key: "a" value: "b" }
        """, versions: [1])
    let settings = try #require(shop.standing("digits", 1)?.version?.model.settings)
    #expect(settings.rowsMax == 16 && settings.preferredRows == 8 && settings.delayNanoseconds == 70_000)
    #expect(settings.concurrency == 2)
    #expect(shop.plans[0].note == "digits/config.pbtxt: passed over, and no answer depends on it: metric_tags")
    // What the server begins with is told of by who begins.
    #expect(shop.reports.withLock { $0 }.map(\.note) == [nil])
    try shop.place.fixture("digits/1", as: "digits/2")
    try shop.perform(.load(model: "digits", version: 2))
    #expect(shop.reports.withLock { $0 }.last?.note == shop.plans[0].note)
}

private func warmUp(_ value: String, rows: Int = 2, count: Int = 1) -> String {
    "max_batch_size: 4 model_warmup { name: 'w' batch_size: \(rows) count: \(count) inputs { key: 'image' value { \(value) } } }"
}

@Test(arguments: ["zero_data: true", "random_data: true", "input_data_file: 'image'"])
func aWarmUpIsAnswered(source: String) throws {
    let place = Place()
    try place.fixture("digits/1", as: "digits/1")
    try place.file("digits/warmup/image", String(repeating: "\0", count: 2 * 64 * 4))
    try place.file("digits/config.pbtxt", warmUp("data_type: TYPE_FP32 dims: [ 1, 8, 8 ] \(source)", count: 3))
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.lines == ["digits 1 blue live"])
    // Nobody asked for it: it is not counted.
    #expect(shop.standing("digits", 1)?.version?.model.statistics.snapshot.runs == 0)
}

@Test(arguments: [
    (
        "data_type: TYPE_FP64 dims: [ 1, 8, 8 ] zero_data: true", 2,
        "its warm-up 'w' does not fit the model: input \"image\" of model \"digits\" has type FP64; the model takes FP32"
    ),
    (
        "data_type: TYPE_FP32 dims: [ 100000, 100000 ] zero_data: true", 2,
        "its warm-up 'w' is larger than a warm-up may be (16777216 elements an input, 512 MiB in all): make it smaller"
    ),
    (
        "data_type: TYPE_FP32 dims: [ 1099511627776, 1099511627776 ] zero_data: true", 1_000_000,
        "its warm-up 'w' is larger than a warm-up may be (16777216 elements an input, 512 MiB in all): make it smaller"
    ),
    (
        "data_type: TYPE_FP32 dims: [ 1, 8, 8 ] input_data_file: 'gone'", 2,
        "'digits/warmup' does not exist in the repository"
    ),
])
func aWarmUpThatFailsItsVersion(value: String, rows: Int, log: String) throws {
    let shop = try shop(warmUp(value, rows: rows), versions: [1])
    #expect(shop.lines == ["digits 1 blue failed"] && failure(shop) == log)
}

@Test func anotherModelThanDeclaredFails() throws {
    let shop = try shop(
        "max_batch_size: 4 output { name: 'probabilities' data_type: TYPE_FP32 dims: 11 }", versions: [1])
    #expect(
        failure(shop) == "digits/config.pbtxt:1: output \"probabilities\" is declared with dims [11] behind the batch "
            + "dimension; the model has [-1, 10]")
}
