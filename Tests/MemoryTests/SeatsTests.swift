import Memory
import Testing

@Suite struct SeatsTests {
    /// Counts those that are still there.
    private final class Tally {
        var alive = 0
    }

    private final class Guest {
        let name: Int
        let tally: Tally

        init(_ name: Int, _ tally: Tally) {
            (self.name, self.tally) = (name, tally)
            tally.alive += 1
        }

        deinit { tally.alive -= 1 }
    }

    @Test(arguments: [0, 1, 16, 17, 1000])
    func whoSitsThereStaysAndLeavesWithTheSeats(count: Int) {
        let tally = Tally()
        do {
            var seats = Seats<Guest>()
            for name in 0..<count { seats.append(Guest(name, tally)) }
            #expect(seats.count == count)
            #expect((0..<count).allSatisfy { seats[$0].name == $0 })
            #expect(tally.alive == count)
            // Who is replaced leaves.
            if count > 0 { seats[count - 1] = Guest(-1, tally) }
            #expect(tally.alive == count)
        }
        #expect(tally.alive == 0)
    }

    @Test func aPartIsChangedInItsPlace() {
        var seats = Seats<[Int]>()
        for number in 0..<40 { seats.append([number]) }
        seats[39].append(7)
        #expect(seats[39] == [39, 7])
        #expect(seats[38] == [38])
    }

    @Test(arguments: [-1, 3, Int.max])
    func aSeatThatIsNotThereTraps(seat: Int) async {
        await #expect(processExitsWith: .failure) { [seat] in
            var seats = Seats<Int>()
            for number in 0..<3 { seats.append(number) }
            print(seats[seat])
        }
    }
}
