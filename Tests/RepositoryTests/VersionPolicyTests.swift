// Enters: keys of a model.yaml. Leaves: which versions are loaded, or a sentence.
import Testing

@testable import Repository

@Test(
    arguments: [
        ([], [3, 2]), ([("version_policy.latest", "1")], [3]), ([("version_policy.latest", "64")], [3, 2, 1]),
        ([("version_policy.specific", "1")], [1]), ([("version_policy.specific", "1, 3, 9")], [3, 1]),
        ([("version_policy.specific", "9")], []), ([("version_policy", "all")], [3, 2, 1]),
        ([("version_policy.all", "")], [3, 2, 1]),
    ] as [([(String, String)], [Int64])])
func whatAPolicyChooses(pairs: [(String, String)], chosen: [Int64]) throws {
    let configuration = try ModelConfiguration(pairs.map { (key: $0.0, value: $0.1) }, file: "m/model.yaml")
    #expect(configuration.versionPolicy.choose(from: [1, 3, 2]) == chosen)
}

@Test(
    arguments: [
        ("version_policy", "latest"), ("version_policy", ""), ("version_policy", "2"), ("version_policy.latest", "0"),
        ("version_policy.latest", "65"), ("version_policy.latest", "two"), ("version_policy.latest", ""),
        ("version_policy.specific", ""), ("version_policy.specific", "1, 1"), ("version_policy.specific", "0"),
        ("version_policy.specific", "1,2"), ("version_policy.all", "1"), ("version_policy.newest", "1"),
        ("version_policy.latest.num_versions", "1"), ("keep", "0"), ("keep", "1001"), ("keep", "all"),
    ])
func whatNoPolicyMaySay(key: String, value: String) {
    let error = #expect(throws: ConfigurationError.self) {
        try ModelConfiguration([(key: key, value: value)], file: "m/model.yaml")
    }
    #expect(error?.description.hasPrefix("m/model.yaml: \(key) is '\(value)'; allowed is ") == true)
}

@Test func aPolicyIsGivenOnce() {
    let pairs = [(key: "version_policy.latest", value: "1"), (key: "version_policy.specific", value: "1")]
    #expect(throws: ConfigurationError.repeatedKey(file: "f", key: "version_policy")) {
        try ModelConfiguration(pairs, file: "f")
    }
}

@Test func versionsThatAreKept() throws {
    #expect(try ModelConfiguration([(key: "keep", value: "3")], file: "f").versionsKept == 3)
    #expect(ModelConfiguration().versionsKept == nil)
}
