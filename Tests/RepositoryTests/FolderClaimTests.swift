// Enters: two who want a folder for themselves. Leaves: who has it.
import Testing

@testable import Repository

@Test func onlyOneHasAFolder() throws {
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.outside + "/state.json")
    var first = file.claim()
    #expect(first != nil && file.claim() == nil)
    // Another file of the folder is the same folder's; another folder is not.
    #expect(KeptFile(path: place.outside + "/other.json").claim() == nil)
    #expect(KeptFile(path: place.root + "/state.json").claim() != nil)
    #expect(KeptFile(path: place.outside + "/none/state.json").claim() == nil)
    first = nil
    #expect(file.claim() != nil && first == nil)
}
