// Enters: Triton's questions about a model's configuration and what it has done. Leaves: what is known.
import GRPC
import HTTP2
import Memory
import Models
import OpenInference
import Protobuf
import Tensors

extension Connection {
    /// Written when the version was loaded.
    func modelConfig(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        let (entry, standing) = try entry(message)
        let lease: Lease<Servable>
        do throws(LeaseError) { lease = try entry.lease(.number(standing.number), epoch: 0) } catch {
            throw .lease(error)
        }
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try WireWriter(copying: lease.model.object.modelConfig.view.array, headroom: headroomBytes, in: &arena)
        }
    }

    /// Of every version that takes calls, or of those that are asked for.
    func modelStatistics(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        let reference: ModelReference?
        do throws(OpenInferenceError) { reference = try ModelStatisticsRequest.decode(message) } catch {
            throw .openInference(error)
        }
        var wanted: [(entry: Entry<Servable>, standings: [Standing<Servable>])] = []
        do throws(LeaseError) {
            if let reference {
                guard let entry = shard.catalog.object.entry(reference.model) else {
                    throw .unknownModel(reference.model.clippedText)
                }
                if case .live = reference.selector {
                    wanted = [(entry, entry.standings)]
                } else {
                    wanted = [(entry, [try entry.standing(reference.selector)])]
                }
            } else {
                wanted = shard.catalog.object.entries.map { ($0, $0.standings) }
            }
        } catch {
            throw .lease(error)
        }
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            var writer = try WireWriter(headroom: headroomBytes, in: &arena)
            for (entry, standings) in wanted {
                for standing in standings.sorted(by: { $0.number < $1.number }) {
                    guard let version = standing.version else { continue }
                    try ModelStatisticsResponse.write(
                        version.model.statistics.snapshot, model: entry.nameView, version: standing.number, to: &writer,
                        in: &arena)
                }
            }
            return writer
        }
    }
}
