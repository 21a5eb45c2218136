import AuditAgent
import Testing

private let pressureRows: [(UInt64, UInt64?, UInt64, RetentionPressure)] = [
    (0, 100, 0, .normal), (79, 100, 0, .normal), (80, 100, 0, .alarm), (89, 100, 0, .alarm),
    (90, 100, 0, .withoutCopies), (94, 100, 0, .withoutCopies), (95, 100, 0, .closed), (200, 100, 0, .closed),
    (0, nil, 79, .normal), (0, nil, 80, .alarm), (10, 100, 96, .closed), (96, 100, 10, .closed), (0, 0, 0, .normal),
    (1, 0, 0, .closed),
]

@Test(arguments: pressureRows)
func pressures(used: UInt64, bytesMax: UInt64?, volumePercent: UInt64, wanted: RetentionPressure) {
    for unit in [1, 7, 1 << 20, UInt64.max / 200] as [UInt64] {
        let found = RetentionPressure.of(
            used: used * unit, bytesMax: bytesMax.map { $0 * unit }, volumeBytes: 100 * unit,
            volumeFree: (100 - volumePercent) * unit)
        #expect(found == wanted, "unit \(unit)")
    }
    #expect(RetentionPressure.of(used: 5, bytesMax: nil, volumeBytes: 0, volumeFree: 0) == .normal)
    #expect(RetentionPressure.of(used: 5, bytesMax: nil, volumeBytes: 5, volumeFree: 9) == .normal)
}

@Test func oldestMonths() {
    #expect(RetentionMonth.of(1_785_240_000_000_000_000) == 202_607 && RetentionMonth.of(0) == 197_001)
    for (months, oldest) in [(0, 202_602), (1, 202_601), (2, 202_512), (14, 202_412), (30_000, 0)] as [(UInt32, UInt32)]
    {
        let policy = RetentionPolicy(payloadMonths: months)
        #expect(policy.oldestMonth(now: 1_770_000_000_000_000_000) == oldest, "\(months)")
    }
}
