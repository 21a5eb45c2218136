// Enters: orders and what came of loading, with integers for models. Leaves: which versions are served then, or why not.
import Memory
import Tensors
import Testing

@testable import Models

/// Models of one hundred fit each other.
private func roster() -> Roster<Number> {
    Roster { live, next in live.value / 100 == next.value / 100 ? [] : ["it is of \(next.value), not of \(live.value)"]
    }
}

private func loaded(_ number: Int64, _ model: Int = 0, of name: String = "m") -> Version<Number> {
    Version(of: name, number: number, Number(model), digest: [])
}

// MARK: - What happens to versions

private enum Step: Sendable {
    case begin(Int64)
    case warming(Int64)
    case arrived(Int64, gone: [Int64] = [], isShadow: Bool = false)
    case failed(Int64, String)
    case swap(Int64?)
    case rollback
    case unload(Int64?)
}

extension Roster<Number> {
    fileprivate mutating func take(_ step: Step) throws {
        switch step {
        case .begin(let number): models["m", default: ModelRecord(name: "m")].begin(number)
        case .warming(let number): models["m"]?.warming(number)
        case .arrived(let number, let gone, let isShadow):
            #expect(models["m"]?.arrived(loaded(number), isShadow: isShadow).sorted() == gone)
        case .failed(let number, let reason): models["m"]?.failed(number, reason)
        case .swap(let number): _ = try swap([Order.Change(model: "m", version: number)], isForced: false)
        case .rollback: _ = try rollback("m")
        case .unload(let number): _ = try unload("m", number, isForced: true)
        }
    }

    fileprivate var written: [String] {
        lines(models.values.sorted { $0.name < $1.name }.flatMap { $0.standings.sorted { $0.number < $1.number } })
    }
}

struct WayRow: Sendable, CustomTestStringConvertible {
    fileprivate var steps: [Step]
    var expected: [String]
    var live: Int64?
    var previous: Int64?
    var testDescription: String { "\(steps)" }

    fileprivate init(_ steps: [Step], _ expected: [String], live: Int64? = nil, previous: Int64? = nil) {
        (self.steps, self.expected, self.live, self.previous) = (steps, expected, live, previous)
    }
}

private let one: [Step] = [.begin(1), .arrived(1)]
private let two: [Step] = one + [.begin(2), .arrived(2)]

@Test(arguments: [
    WayRow([.begin(1)], ["1 - loading"]),
    WayRow([.begin(1), .warming(1)], ["1 - warming"]),
    WayRow([.begin(1), .failed(1, "no")], ["1 - failed(\"no\")"]),
    WayRow([.begin(1), .warming(1), .failed(1, "no")], ["1 - failed(\"no\")"]),
    // The first of a model is live at once, whether its warm-up was told or not.
    WayRow(one, ["1 blue live"], live: 1),
    WayRow([.begin(1), .warming(1), .arrived(1)], ["1 blue live"], live: 1),
    // The next ones stand beside it, each in the other's place.
    WayRow(two, ["1 blue live", "2 green ready"], live: 1),
    WayRow(two + [.begin(3)], ["1 blue live", "2 green ready", "3 - loading"], live: 1),
    WayRow(two + [.begin(3), .arrived(3, gone: [2])], ["1 blue live", "3 green ready"], live: 1),
    WayRow(two + [.begin(3), .failed(3, "no")], ["1 blue live", "2 green ready", "3 - failed(\"no\")"], live: 1),
    // A swap moves nobody.
    WayRow(two + [.swap(2)], ["1 blue ready", "2 green live"], live: 2, previous: 1),
    WayRow(two + [.swap(nil)], ["1 blue ready", "2 green live"], live: 2, previous: 1),
    WayRow(two + [.swap(nil), .swap(nil)], ["1 blue live", "2 green ready"], live: 1, previous: 2),
    WayRow(two + [.swap(1)], ["1 blue live", "2 green ready"], live: 1),
    // Back, and forth again.
    WayRow(two + [.swap(2), .rollback], ["1 blue live", "2 green ready"], live: 1, previous: 2),
    WayRow(two + [.swap(2), .rollback, .rollback], ["1 blue ready", "2 green live"], live: 2, previous: 1),
    // Whoever was live before goes for the next one, and then there is no way back.
    WayRow(two + [.swap(2), .begin(3)], ["1 blue ready", "2 green live", "3 - loading"], live: 2, previous: 1),
    WayRow(two + [.swap(2), .begin(3), .arrived(3, gone: [1])], ["2 green live", "3 blue ready"], live: 2),
    WayRow(two + [.swap(2), .unload(1)], ["2 green live"], live: 2),
    // Without a live one the next that is loaded becomes it; who is ready does not go for it, wherever it stands.
    WayRow(two + [.unload(1)], ["2 green ready"]),
    WayRow(two + [.unload(1), .begin(3), .arrived(3)], ["2 green ready", "3 blue live"], live: 3),
    WayRow(two + [.swap(2), .unload(2)], ["1 blue ready"], previous: 1),
    WayRow(
        two + [.swap(2), .unload(2), .begin(3), .arrived(3)], ["1 blue ready", "3 green live"], live: 3, previous: 1),
    WayRow(two + [.unload(1), .swap(2)], ["2 green live"], live: 2),
    WayRow(two + [.unload(nil)], []),
    WayRow(two + [.unload(nil), .begin(2), .arrived(2)], ["2 blue live"], live: 2),
    // Two on their way at once: the first that was asked for becomes live, whichever comes first.
    WayRow([.begin(1), .begin(2), .arrived(1), .arrived(2)], ["1 blue live", "2 green ready"], live: 1),
    WayRow([.begin(1), .begin(2), .arrived(2), .arrived(1)], ["1 green live", "2 blue ready"], live: 1),
    // Nobody waits for what failed.
    WayRow([.begin(1), .failed(1, "no"), .begin(2), .arrived(2)], ["1 - failed(\"no\")", "2 blue live"], live: 2),
    WayRow([.begin(1), .failed(1, "no"), .begin(1), .arrived(1)], ["1 blue live"], live: 1),
    // Into the shadow: who stands in blue and green stays, who stood there goes.
    WayRow(
        two + [.begin(3), .arrived(3, isShadow: true)], ["1 blue live", "2 green ready", "3 shadow ready"], live: 1),
    WayRow(
        one + [.begin(3), .arrived(3, isShadow: true), .begin(4), .arrived(4, gone: [3], isShadow: true)],
        ["1 blue live", "4 shadow ready"], live: 1),
    WayRow(
        two + [.begin(3), .arrived(3, isShadow: true), .swap(3)], ["1 blue ready", "2 - ready", "3 green live"],
        live: 3, previous: 1),
    // Whoever was unloaded on its way does not come any more.
    WayRow(one + [.begin(2), .unload(2), .warming(2), .arrived(2), .failed(2, "no")], ["1 blue live"], live: 1),
    WayRow([.begin(1), .unload(1), .arrived(1)], []),
    // What is said twice holds once.
    WayRow(one + [.arrived(1), .warming(1), .failed(1, "late")], ["1 blue live"], live: 1),
    WayRow([.begin(1), .failed(1, "no"), .failed(1, "again"), .arrived(1)], ["1 - failed(\"no\")"]),
])
func theWayOfVersions(row: WayRow) throws {
    var roster = roster()
    for step in row.steps { try roster.take(step) }
    #expect(roster.written == row.expected)
    #expect(roster.models["m"]?.live == row.live && roster.models["m"]?.previous == row.previous)
    // What is served is what there is, and what is not in memory has no version.
    let entry = roster.entries.first { $0.name == "m" }
    #expect(entry?.standings.count ?? 0 == row.expected.count && entry?.live?.number == row.live)
    #expect(roster.versions.map(\.number).sorted() == roster.models["m"]?.serving)
}

/// As a server begins that knows what it served before.
@Test(
    arguments: [
        ([], ["2 green loading", "3 blue loading"], nil),
        ([.arrived(3)], ["2 green loading", "3 blue ready"], nil),
        ([.arrived(2)], ["2 green live", "3 blue loading"], 2),
        ([.arrived(3), .arrived(2)], ["2 green live", "3 blue ready"], 2),
        ([.arrived(3), .arrived(2), .rollback], ["2 green ready", "3 blue live"], 3),
        ([.arrived(2), .arrived(3), .rollback], ["2 green ready", "3 blue live"], 3),
        ([.failed(2, "no"), .arrived(3)], ["2 green failed(\"no\")", "3 blue ready"], nil),
        ([.failed(2, "no"), .arrived(3), .swap(3)], ["2 green failed(\"no\")", "3 blue live"], 3),
        // What failed gives its place away.
        ([.failed(2, "no"), .arrived(3), .begin(4), .arrived(4, gone: [2])], ["3 blue ready", "4 green live"], 4),
        // An order that comes while they load: beside the one that is to be live.
        ([.begin(4), .arrived(4, gone: [3])], ["2 green loading", "4 blue ready"], nil),
    ] as [([Step], [String], Int64?)])
private func whatWasKeptComesBack(steps: [Step], expected: [String], live: Int64?) throws {
    var roster = roster()
    roster.models["m"] = ModelRecord(
        name: "m", slots: [.blue: 3, .green: 2], others: [], live: 2, previous: 3, labels: ["old": 2])
    for step in steps { try roster.take(step) }
    #expect(roster.written == expected && roster.models["m"]?.live == live)
    #expect(roster.models["m"]?.labels == ["old": 2])
}

// MARK: - Orders

/// `pets`: 1 live, 2 ready, 3 loading, 4 failed, and 2 fits. `lone`: 1 live. `odd`: 1 live, 2 ready that does not fit.
/// `many`: 1 live and two beside it. `gone` was unloaded.
private func house() throws -> Roster<Number> {
    var roster = roster()
    func model(_ name: String, _ numbers: [(Int64, Int)]) {
        var record = ModelRecord<Number>(name: name, labels: ["first": 1])
        for (number, model) in numbers {
            record.begin(number)
            _ = record.arrived(loaded(number, model, of: name))
        }
        roster.models[name] = record
    }
    model("pets", [(1, 101), (2, 102)])
    roster.models["pets"]?.begin(3)
    roster.models["pets"]?.begin(4)
    roster.models["pets"]?.failed(4, "no")
    model("lone", [(1, 101)])
    model("odd", [(1, 101), (2, 202)])
    model("gone", [(1, 101)])
    _ = try roster.unload("gone", nil, isForced: true)
    var many = ModelRecord<Number>(
        name: "many", slots: [.blue: 1, .green: 2, .shadow: 3], others: [], live: 1, previous: nil, labels: [:])
    for number in [1, 2, 3] as [Int64] { _ = many.arrived(loaded(number, 101, of: "many")) }
    roster.models["many"] = many
    return roster
}

private let known = ["lone", "many", "odd", "pets"]

private func swap(_ changes: (String, Int64?)..., isForced: Bool = false) -> Order {
    .swap(changes.map { Order.Change(model: $0.0, version: $0.1) }, isForced: isForced)
}

private func unload(_ model: String, _ version: Int64?, isForced: Bool = false) -> Order {
    .unload(model: model, version: version, isForced: isForced)
}

struct OrderErrorRow: Sendable, CustomTestStringConvertible {
    var order: Order
    var error: OrderError
    var testDescription: String { "\(order)" }

    init(_ order: Order, _ error: OrderError) { (self.order, self.error) = (order, error) }
}

@Test(arguments: [
    OrderErrorRow(swap(), .noModel),
    OrderErrorRow(swap(("dogs", 1)), .notLoaded(model: "dogs", known: known)),
    OrderErrorRow(swap(("", nil)), .notLoaded(model: "", known: known)),
    OrderErrorRow(swap(("gone", 1)), .notLoaded(model: "gone", known: known)),
    OrderErrorRow(swap(("pets", 9)), .versionNotLoaded(model: "pets", version: 9, loaded: [1, 2])),
    OrderErrorRow(swap(("pets", 3)), .busy(model: "pets", version: 3)),
    OrderErrorRow(swap(("pets", 4)), .versionNotLoaded(model: "pets", version: 4, loaded: [1, 2])),
    OrderErrorRow(swap(("pets", 3), isForced: true), .busy(model: "pets", version: 3)),
    OrderErrorRow(swap(("lone", nil)), .nothingBeside(model: "lone")),
    // Of several nobody guesses.
    OrderErrorRow(swap(("pets", 2), ("pets", 1)), .twice(model: "pets")),
    OrderErrorRow(swap(("pets", nil), ("lone", 1), ("pets", nil)), .twice(model: "pets")),
    OrderErrorRow(
        swap(("odd", 2)), .incompatible(model: "odd", version: 2, differences: ["it is of 202, not of 101"])),
    // One that is wrong keeps the others from changing.
    OrderErrorRow(swap(("pets", 2), ("many", 2), ("dogs", 1)), .notLoaded(model: "dogs", known: known)),
    OrderErrorRow(
        swap(("pets", 2), ("odd", 2)),
        .incompatible(model: "odd", version: 2, differences: ["it is of 202, not of 101"])),
    OrderErrorRow(.rollback(model: "pets"), .nothingBefore(model: "pets")),
    OrderErrorRow(.rollback(model: "dogs"), .notLoaded(model: "dogs", known: known)),
    OrderErrorRow(unload("pets", 1), .isLive(model: "pets", version: 1)),
    OrderErrorRow(unload("many", nil), .isServed(model: "many", live: 1)),
    OrderErrorRow(unload("pets", 9), .versionNotLoaded(model: "pets", version: 9, loaded: [1, 2])),
    OrderErrorRow(unload("pets", 9, isForced: true), .versionNotLoaded(model: "pets", version: 9, loaded: [1, 2])),
    OrderErrorRow(unload("dogs", nil), .notLoaded(model: "dogs", known: known)),
    OrderErrorRow(unload("gone", nil), .notLoaded(model: "gone", known: known)),
    OrderErrorRow(
        .label(model: "pets", label: "x", version: 9), .versionNotLoaded(model: "pets", version: 9, loaded: [1, 2])),
    OrderErrorRow(.label(model: "dogs", label: "x", version: 1), .notLoaded(model: "dogs", known: known)),
    OrderErrorRow(.label(model: "dogs", label: "", version: 1), .badLabel("")),
])
func ordersThatCannotBe(row: OrderErrorRow) throws {
    var roster = try house()
    let before = roster.written
    let labels = roster.models.mapValues(\.labels)
    #expect(throws: row.error) { try roster.decide(row.order) }
    #expect(roster.written == before && roster.models.mapValues(\.labels) == labels)
}

struct DecisionRow: Sendable, CustomTestStringConvertible {
    var order: Order
    var changes: [Decision.Change]
    var steps: [String]
    /// Which version is live then.
    var live: [String: Int64]
    var about: Int64?
    var testDescription: String { "\(order)" }

    init(
        _ order: Order, _ changes: [(String, Int64?, Int64?)], _ steps: [String], live: [String: Int64],
        about: Int64? = nil
    ) {
        self.about = about
        self.order = order
        self.changes = changes.map { Decision.Change(model: $0.0, from: $0.1, to: $0.2) }
        self.steps = steps
        self.live = live
    }
}

private let before: [String: Int64] = ["pets": 1, "lone": 1, "odd": 1, "many": 1]

private func but(_ changes: [String: Int64?]) -> [String: Int64] {
    before.merging(changes.compactMapValues { $0 }) { $1 }.filter { changes[$0.key] != .some(nil) }
}

@Test(arguments: [
    DecisionRow(
        swap(("pets", 2)), [("pets", 1, 2)],
        ["version 2 of model 'pets' answers instead of version 1, which stays loaded"],
        live: but(["pets": 2])),
    DecisionRow(
        swap(("pets", nil), ("many", 3)), [("pets", 1, 2), ("many", 1, 3)],
        [
            "version 2 of model 'pets' answers instead of version 1, which stays loaded",
            "version 3 of model 'many' answers instead of version 1, which stays loaded",
        ], live: but(["pets": 2, "many": 3])),
    DecisionRow(swap(("pets", 1)), [], ["version 1 of model 'pets' is live already"], live: before),
    DecisionRow(
        swap(("lone", 1), ("pets", 2)), [("pets", 1, 2)],
        [
            "version 1 of model 'lone' is live already",
            "version 2 of model 'pets' answers instead of version 1, which stays loaded",
        ], live: but(["pets": 2])),
    DecisionRow(
        swap(("odd", 2), isForced: true), [("odd", 1, 2)],
        ["version 2 of model 'odd' answers instead of version 1, which stays loaded"], live: but(["odd": 2])),
    DecisionRow(unload("pets", 2), [("pets", 1, 1)], ["version 2 of model 'pets' goes"], live: before, about: 2),
    // On its way, or failed: nobody asks for it any more.
    DecisionRow(unload("pets", 3), [("pets", 1, 1)], ["version 3 of model 'pets' goes"], live: before, about: 3),
    DecisionRow(unload("pets", 4), [("pets", 1, 1)], ["version 4 of model 'pets' goes"], live: before, about: 4),
    DecisionRow(
        unload("pets", 1, isForced: true), [("pets", 1, nil)], ["version 1 of model 'pets' goes"],
        live: but(["pets": nil]), about: 1),
    DecisionRow(
        unload("many", nil, isForced: true), [("many", 1, nil)], (1...3).map { "version \($0) of model 'many' goes" },
        live: but(["many": nil])),
    DecisionRow(
        .label(model: "pets", label: "next", version: 3), [("pets", 1, 1)],
        ["label 'next' of model 'pets' points to version 3"], live: before, about: 3),
    DecisionRow(
        .label(model: "pets", label: "first", version: nil), [("pets", 1, 1)],
        ["label 'first' of model 'pets' is gone"], live: before),
])
func decisions(row: DecisionRow) throws {
    var roster = try house()
    let decision = try roster.decide(row.order)
    #expect(decision == Decision(changes: row.changes, steps: row.steps, version: row.about))
    #expect(roster.models.compactMapValues(\.live) == row.live)
}

/// A way back is a way forth again, and asks nobody whether it fits: its callers knew it.
@Test func rollbacks() throws {
    var roster = try house()
    _ = try roster.decide(swap(("odd", 2), isForced: true))
    for (from, to) in [(2, 1), (1, 2), (2, 1)] as [(Int64, Int64)] {
        let decision = try roster.rollback("odd")
        #expect(decision.changes == [Decision.Change(model: "odd", from: from, to: to)])
        #expect(
            decision.steps == [
                "version \(to) of model 'odd' answers again instead of version \(from), which stays loaded"
            ])
        #expect(roster.models["odd"]?.live == to && roster.models["odd"]?.previous == from)
    }
    // What was live before and is not in memory any more is no way back.
    _ = try roster.unload("odd", 2, isForced: false)
    #expect(throws: OrderError.nothingBefore(model: "odd")) { try roster.rollback("odd") }
}

@Test(arguments: [
    "stable", "v1", "1a", "A.b_c-9", ".", "-", "_", "0.1", String(repeating: "x", count: 64),
])
func labelsThatMayBe(label: String) throws {
    var roster = try house()
    _ = try roster.label("pets", label, 2)
    #expect(roster.entries.first { $0.name == "pets" }?.labels == ["first": 1, label: 2])
    _ = try roster.label("pets", label, 1)
    #expect(roster.models["pets"]?.labels == ["first": 1, label: 1])
    _ = try roster.label("pets", label, nil)
    #expect(roster.models["pets"]?.labels == ["first": 1])
}

@Test(arguments: [
    "", "1", "0123456789", " ", "a b", "a/b", "ä", "a\0", "a\n", "a:b", "🙂", String(repeating: "x", count: 65),
])
func labelsThatMayNotBe(label: String) throws {
    var roster = try house()
    for version in [1, nil] as [Int64?] {
        #expect(throws: OrderError.badLabel(label)) { try roster.label("pets", label, version) }
    }
    #expect(roster.models["pets"]?.labels == ["first": 1])
}

// MARK: - Sentences

private let errors: [OrderError] = [
    .unknownModel("a\nb"), .notLoaded(model: "a\nb", known: []), .notLoaded(model: "m", known: ["a", "b"]),
    .unknownVersion(model: "a\nb", version: 7, available: [1, 2]),
    .versionNotLoaded(model: "a\nb", version: 7, loaded: []), .busy(model: "a\nb", version: 7),
    .loadFailed(model: "a\nb", version: 7, reason: "its file is empty"),
    .incompatible(model: "a\nb", version: 7, differences: ["input 'x' is gone", "input 'y' is new"]),
    .isLive(model: "a\nb", version: 7), .isServed(model: "a\nb", live: 7), .nothingBeside(model: "a\nb"),
    .nothingBefore(model: "a\nb"), .badLabel("a\nb"),
    .twice(model: "a\nb"), .noModel, .notKept(reason: "the disk is full"), .repository(reason: "it is gone"),
    .noVersion(model: "a\nb"), .noLive(model: "a\nb"), .alreadyLive(model: "a\nb", version: 7),
    .rolloutIsOn(model: "a\nb", version: 7), .noRollout(model: "a\nb"), .badShares("no"), .badPolicy("no"),
    .unfit(model: "a\nb", version: 7, faults: ["golden: it is wrong", "memory: too much"]),
    .fixed(.load), .experimentIsOn(model: "a\nb"), .tooManyExperiments(max: 16),
    .incompatible(model: "m", version: 7, differences: (0..<1000).map { "input 'i\($0)' is new" }),
    .unknownModel(String(repeating: "x", count: 100_000)), .badLabel(String(repeating: "\u{1}", count: 100_000)),
    .notLoaded(model: "m", known: (0..<1000).map { "model-\($0)" }),
]

/// One line, whatever names a caller chose, and not a long one.
@Test func everyErrorHasASentence() {
    for sentence in errors.map(\.sentence) {
        #expect(!sentence.isEmpty && sentence.utf8.count < 1000)
        #expect(sentence.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, "\(sentence)")
    }
}

@Test func theSentencesHoldEveryCase() { #expect(Set(errors.map(kind(of:))) == Set(0...26)) }

/// A case that is added does not compile until it has a number here, and a place above.
private func kind(of error: OrderError) -> Int {
    switch error {
    case .unknownModel: 0
    case .notLoaded: 1
    case .unknownVersion: 2
    case .versionNotLoaded: 3
    case .busy: 4
    case .loadFailed: 5
    case .incompatible: 6
    case .isLive: 7
    case .nothingBeside: 8
    case .nothingBefore: 9
    case .badLabel: 10
    case .twice: 11
    case .noModel: 12
    case .notKept: 13
    case .repository: 14
    case .noVersion: 15
    case .noLive: 16
    case .alreadyLive: 17
    case .rolloutIsOn: 18
    case .noRollout: 19
    case .badShares: 20
    case .badPolicy: 21
    case .unfit: 22
    case .fixed: 23
    case .experimentIsOn: 24
    case .tooManyExperiments: 25
    case .isServed: 26
    }
}

@Test(
    arguments: [
        (.unknownModel("cats"), "model 'cats' is not in the repository: check its name, or put it there"),
        (.notLoaded(model: "cats", known: ["a", "b"]), "model 'cats' is not loaded; loaded are a, b: load it first"),
        (
            .unknownVersion(model: "m", version: 7, available: [1, 2]),
            "model 'm' has no version 7 in the repository; it has 1, 2: name one that is there, or add it"
        ),
        (
            .versionNotLoaded(model: "m", version: 7, loaded: []),
            "version 7 of model 'm' is not loaded: load it first"
        ),
        (.twice(model: "m"), "model 'm' is named twice in one swap"),
    ] as [(OrderError, String)])
func sentencesNameWhatWasAsked(error: OrderError, sentence: String) { #expect(error.sentence == sentence) }

@Test(
    arguments: [
        (.load(model: "m", version: nil), "load"), (.unload(model: "m", version: 1, isForced: true), "unload"),
        (.swap([], isForced: false), "swap"), (.rollback(model: "m"), "rollback"),
        (.label(model: "m", label: "l", version: nil), "label"), (.weights(model: "m", [], isForced: false), "weights"),
        (.shadow(model: "m", version: nil, percent: 1), "shadow"), (.promote(model: "m"), "promote"),
        (.abort(model: "m"), "abort"),
    ] as [(Order, String)])
func verbs(order: Order, verb: String) { #expect(order.action.rawValue == verb) }
