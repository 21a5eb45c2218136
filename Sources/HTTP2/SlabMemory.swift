// Enters: nghttp2's calls for memory. Leaves: pieces of the shard's slab.
import CNghttp2
import Memory

/// nghttp2 asks for a dozen small pieces for each stream, and gives them back when it ends. The slab must outlive the session.
func memory(of slab: Slab) -> nghttp2_mem {
    unsafe nghttp2_mem(
        mem_user_data: Unmanaged.passUnretained(slab).toOpaque(),
        malloc: { bytes, slab in unsafe with(slab) { unsafe $0.allocate(bytes) } },
        free: { pointer, slab in unsafe with(slab) { unsafe $0.deallocate(pointer) } },
        calloc: { count, bytes, slab in
            let (product, overflow) = count.multipliedReportingOverflow(by: bytes)
            return unsafe with(slab) { overflow ? nil : unsafe $0.allocateZeroed(product) }
        },
        realloc: { pointer, bytes, slab in unsafe with(slab) { unsafe $0.reallocate(pointer, bytes) } })
}

@inline(__always)
private func with<Result>(_ slab: UnsafeMutableRawPointer?, _ body: (Slab) -> Result) -> Result {
    guard let slab = unsafe slab else { preconditionFailure("nghttp2 lost its slab") }
    return unsafe Unmanaged<Slab>.fromOpaque(slab)._withUnsafeGuaranteedRef { body($0) }
}
