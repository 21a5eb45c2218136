// Enters: what a slot of the runtime's table answered. Leaves: nothing, or the runtime's complaint as an error.
import COnnxRuntime

/// What the runtime said went wrong. For the log: it may name paths.
struct RuntimeFailure: Error, Equatable {
    let code: Int32
    let text: String
}

/// The runtime's functions, one pointer to them all.
@safe struct Table: @unchecked Sendable, BitwiseCopyable {
    let slots: OrtTable

    init(_ slots: OrtTable) { unsafe self.slots = slots }

    /// Every call ends here: the status is read and given back.
    @inline(__always)
    func check(_ status: OpaquePointer?) throws(RuntimeFailure) {
        if let status = unsafe status { throw unsafe failure(status) }
    }

    private func failure(_ status: OpaquePointer) -> RuntimeFailure {
        defer { unsafe ort_release(slots, CInt(ORT_RELEASE_STATUS), status) }
        return unsafe RuntimeFailure(
            code: ort_error_code(slots, status), text: String(cString: ort_error_text(slots, status)))
    }
}

/// One object of the runtime. Dropping the value gives it back by its kind's slot.
@safe struct Owned: ~Copyable, @unchecked Sendable {
    let pointer: OpaquePointer
    private let table: Table
    private let releaseSlot: CInt

    /// `make` calls the slot that creates the object.
    init(
        _ table: Table, releaseSlot: Int, _ make: (inout OpaquePointer?) -> OpaquePointer?
    ) throws(RuntimeFailure) {
        var made: OpaquePointer? = nil
        try unsafe table.check(make(&made))
        guard let made = unsafe made else { throw RuntimeFailure(code: 0, text: "the runtime made nothing") }
        unsafe pointer = made
        self.table = table
        self.releaseSlot = CInt(releaseSlot)
    }

    deinit { unsafe ort_release(table.slots, releaseSlot, pointer) }
}
