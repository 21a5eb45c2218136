// Enters: seeds. Leaves: that no acknowledged record is lost or comes twice, whichever process dies; and that loss is noticed.
import Testing

@testable import RecordRing

@Test(arguments: 1...6 as ClosedRange<UInt64>) func nothingIsLostAndNothingComesTwice(seed: UInt64) throws {
    let simulation = try Simulation(seed: seed, mode: .acknowledge)
    try simulation.run(steps: 5000)
    #expect(simulation.faults == [])
    let counts = simulation.counts
    // The run was no idle one: many records, credit that was exhausted, agents and servers that died.
    #expect(counts.written > 1000 && counts.refused > 100 && counts.agents > 50 && counts.torn > 5, "\(counts)")
}

@Test(arguments: 1...6 as ClosedRange<UInt64>) func overwritingLosesTheOldestAndSaysSo(seed: UInt64) throws {
    let simulation = try Simulation(seed: seed, mode: .overwrite)
    try simulation.run(steps: 5000)
    #expect(simulation.faults == [])
    let counts = simulation.counts
    #expect(counts.written > 1500 && counts.refused == 0 && counts.lost > 100 && counts.torn > 5, "\(counts)")
}

/// What the simulation is for: each mistake shows.
@Test(arguments: Sabotage.allCases) func sabotageIsNoticed(sabotage: Sabotage) throws {
    let simulation = try Simulation(seed: 1, mode: .acknowledge, sabotage: sabotage)
    try simulation.run(steps: 5000)
    #expect(!simulation.faults.isEmpty)
}
