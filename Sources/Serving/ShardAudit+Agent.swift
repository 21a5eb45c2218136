// Enters: an agent that connects, and its packets. Leaves: which records are durable; the socket of the agent that is there.
import Memory
import Reactor
import RecordRing

extension ShardAudit {
    /// An agent that is there already gives way: it is the same one, started again.
    /// - Returns: the socket that came, and the one that went.
    func accept(_ warn: (String) -> Void) throws(SystemError) -> (new: PacketSocket, old: PacketSocket?)? {
        guard let socket = try listener.accept() else { return nil }
        guard socket.user == settings.agentUser else {
            warn(
                "audit: user \(socket.user.map { "\($0)" } ?? "unknown") is refused at \(listener.path), which is for user "
                    + "\(settings.agentUser): run the agent as that user, or give its number with --audit-agent-user")
            return nil
        }
        let old = agent
        agent = socket
        isGreeted = false
        return (socket, old)
    }

    /// Reads what the agent sent. - Returns: `false`: it is gone, or was refused.
    func receive(now: Int64, _ warn: (String) -> Void) -> Bool {
        guard let agent else { return false }
        let bytesMax = Acknowledgement.bytes * Acknowledgement.countMax
        // Not for ever: a shard has other things to do.
        for _ in 0..<64 {
            do throws(SystemError) {
                switch try agent.receive(into: &packet, bytesMax: bytesMax) {
                case .blocked: return true
                case .closed: return leave(now)
                case .bytes: break
                }
            } catch {
                return leave(now)
            }
            do throws(AcknowledgementError) { try take(packet.view) } catch {
                warn("audit: the agent is refused: \(error.sentence)")
                return leave(now)
            }
        }
        return true
    }

    private func take(_ packet: ByteView) throws(AcknowledgementError) {
        guard isGreeted else {
            try receipts.begin(AgentHello(parsing: packet))
            isGreeted = true
            agentGoneSince = nil
            return
        }
        for place in 0..<(try Acknowledgement.count(in: packet)) {
            let one = try Acknowledgement(parsing: packet, at: place, rings: rings)
            guard Int(one.ring) == ring else { throw .ring(one.ring, rings: rings) }
            try receipts.add(one, written: writer.sequence)
        }
    }

    private func leave(_ now: Int64) -> Bool {
        agent = nil
        if agentGoneSince == nil { agentGoneSince = now }
        return false
    }
}
