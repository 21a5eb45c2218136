// Enters: an agent that runs, its socket, its policy. Leaves: orders done, what is due gone, and alarms of a disk that fills.
public import Audit
internal import Cryptography
internal import Glibc
internal import Memory

/// What an agent does between two steps beside reading rings: requests of `agent.sock`, retention, a look at the disk.
public final class CommandLoop<Log: AuditVolume, Keys: AuditVolume, Listener: CommandListener> {
    private static var minuteNanoseconds: UInt64 { 60_000_000_000 }
    private static var secondNanoseconds: UInt64 { 1_000_000_000 }

    private let agent: AuditAgent<Log, PayloadKeyStore<Keys>>
    private let store: PayloadKeyStore<Keys>
    private var server: CommandServer<Listener>
    private let disk: RetentionDisk
    private var retention: Retention<RetentionDisk>
    private let bytesMax: UInt64?
    private let world: AuditAgent<Log, PayloadKeyStore<Keys>>.World
    private let voice: AgentVoice
    private var nextMinute: UInt64 = 0
    private var nextSecond: UInt64 = 0
    /// Entries that the newest anchored checkpoint covers; set by `AgentVoice.anchor`.
    public var anchored: UInt64 = 0
    /// What may still be written.
    public private(set) var pressure = RetentionPressure.normal

    /// - Parameters:
    ///   - state: of the log when it was opened.
    ///   - folder: the audit folder's path.
    ///   - bytesMax: that the audit folder may have; `nil`: the volume alone bounds it.
    public init(
        _ agent: AuditAgent<Log, PayloadKeyStore<Keys>>, from state: LogState, _ listener: Listener, folder: String,
        policy: RetentionPolicy, bytesMax: UInt64?, world: AuditAgent<Log, PayloadKeyStore<Keys>>.World,
        voice: AgentVoice
    ) {
        (self.agent, store, self.bytesMax) = (agent, agent.payloadKeys, bytesMax)
        (self.world, self.voice, disk) = (world, voice, RetentionDisk(folder))
        server = CommandServer(listener, uid: geteuid())
        retention = Retention(disk, policy, from: state, store)
        if let loss = store.loss { tell("payload_keys", loss) }
    }

    /// To be called between two steps of the agent. It answers one request at most.
    public func step() {
        let now = world.clock.now
        if let call = server.poll(now: now.nanoseconds) {
            let reply = call.request.perform(
                uid: call.uid, store, subjectIndex: agent.keyrings.indexRing, now: now.unixNanoseconds,
                random: world.random, status: { status }, append: agent.append)
            agent.forgetPayloadKeys()
            voice.say(reply.result == .failed ? .error : .info, "an order: \(reply.sentence)")
            server.answer(call, reply, now: now.nanoseconds)
        }
        if now.nanoseconds >= nextSecond {
            nextSecond = now.nanoseconds + Self.secondNanoseconds
            attempt { () throws(VolumeError) in
                if let keys = PayloadStoreKeys(agent.keyrings.storeRing), keys.kid != store.storeKeyID {
                    try store.change(keys)
                }
                try retention.unlink(anchored: anchored, holdGeneration: store.holdGeneration)
                // A busy server fills the last percents within seconds.
                try look()
            }
        }
        if now.nanoseconds >= nextMinute {
            attempt { () throws(VolumeError) in
                try retain(now.unixNanoseconds)
            }
            nextMinute = now.nanoseconds + (retention.isScanning ? Self.secondNanoseconds : Self.minuteNanoseconds)
        }
    }

    private func retain(_ now: UInt64) throws(VolumeError) {
        guard
            let plan = try retention.plan(
                now: now, store, auditKeys: agent.keyrings.auditKeys, random: world.random)
        else { return }
        try retention.begin(plan, &agent.writer, store, now: now)
        agent.forgetPayloadKeys()
    }

    private func look() throws(VolumeError) {
        let found = try disk.pressure(bytesMax: bytesMax)
        agent.pressure = found
        if let bytesMax { agent.diskBytes = bytesMax } else { agent.diskBytes = try disk.volume().bytes }
        defer { pressure = found }
        guard found > pressure else { return }
        let share = [0, 80, 90, 95][found.rawValue]
        tell("disk", "\(share) % of the audit folder's bytes or of its volume are used; give it more, or keep less")
    }

    /// An alarm, in the log and to the operator.
    private func tell(_ name: String, _ text: String) {
        voice.say(.error, text)
        agent.raiseAlarm(name, text)
    }

    private func attempt(_ body: () throws(VolumeError) -> Void) {
        do throws(VolumeError) { try body() } catch { voice.say(.error, error.sentence) }
    }

    private var status: String {
        "\(agent.size) entries, \(store.count) payload keys under \(store.storeKeyID), the disk is \(pressure)"
    }
}
