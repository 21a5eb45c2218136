// Enters: rings as servers write them. Leaves: a batch of what is in them, what is wrong with them included.
internal import Audit
internal import Memory
internal import Protobuf
internal import RecordRing

extension AuditAgent {
    // MARK: Rings and sockets

    func look(_ now: AgentTime) {
        do throws(RecordRingError) {
            try folder.look({ voice.say(.error, $0) }, begin: begin)
            hasLooked = true
            isFolderRefused = false
        } catch {
            if !isFolderRefused { voice.say(.error, error.sentence) }
            isFolderRefused = true
        }
        for life in folder.lives where !life.isFailed {
            guard !life.isDead else {
                removeIfFinished(life)
                continue
            }
            for ring in life.rings { ring.look(world.sockets, logID: logID, size: writer.tree.size) }
        }
    }

    /// What earlier lives wrote of its rings is passed over, and said to be durable.
    fileprivate func begin(_ life: ServerLife) {
        life.hasEnded = found.ended.contains(life.file.instance.high)
        for ring in life.rings {
            let key = LastSegment.Ring(instance: ring.source.instance, ring: ring.source.ring)
            guard let sequence = found.sequences[key] else { continue }
            do throws(RecordRingError) { _ = try ring.reader.skip(through: sequence) } catch { ring.fault = error }
        }
    }

    /// At the first look, too, before this life writes: what the last segment says of a server, the next one does not.
    private func removeIfFinished(_ life: ServerLife) {
        guard life.isRecorded && !life.rings.contains(where: \.isInBatch) else { return }
        for ring in life.rings { ring.remove(world.sockets) }
        do throws(RecordRingError) {
            if try life.file.removeIfFinished() { folder.remove(life) }
        } catch {
            if !life.isTold { voice.say(.error, error.sentence) }
            life.isTold = true
        }
    }

    /// What is in rings and not durable; and the part of the fullest ring that this is.
    var lag: (bytes: UInt64, fill: Double) {
        var lag = (bytes: UInt64(0), fill: 0.0)
        for life in folder.lives where !life.isFailed {
            for ring in life.rings {
                guard let waiting = ring.reader.waiting else { continue }
                lag.bytes += waiting.bytes
                lag.fill = max(lag.fill, waiting.fill)
            }
        }
        return lag
    }

    // MARK: Batches

    func fill(_ now: AgentTime) {
        composer.begin()
        isWaiting = false
        if !hasBegun {
            hasBegun = true
            add(.log(beginning, agent: name), now)
            add(.clock(world.clock.state, stepNanoseconds: 0), now)
            clockWatch.recorded(now)
            batch.beginsWithClock = true
        } else if let step = clockWatch.due(now) {
            add(.clock(world.clock.state, stepNanoseconds: step), now)
        }
        if let rest = refused.due(now: now.nanoseconds) { add(rest, now) }
        for record in own { add(record, now) }
        own.removeAll()
        let rings = folder.lives.filter { !$0.isFailed }.flatMap { life in life.rings.map { (life, $0) } }
        guard !rings.isEmpty else { return }
        turn %= rings.count
        defer { turn += 1 }
        for number in rings.indices where !batch.isFull {
            let (life, ring) = rings[(turn + number) % rings.count]
            // The last ring has orders and what is refused: the last of the disk is for those.
            if pressure == .closed, ring.source.ring < life.file.rings - 1 { continue }
            if life.isFailed || ring.rests(at: now.nanoseconds) { continue }
            if !isEnding, !life.isDead, ring.mayWait(at: now.nanoseconds) {
                isWaiting = true
                continue
            }
            let before = batch.count
            drain(ring, of: life, now)
            if batch.count > before { ring.noteRead(at: now.nanoseconds) }
        }
        for life in folder.lives where life.isDrained && !life.isRecorded && !life.isFailed {
            add(.lost(high: life.file.instance.high, low: life.file.instance.low), now)
            batch.lostServers.append(life)
        }
    }

    fileprivate func add(_ record: OwnRecord, _ now: AgentTime, source: RecordSource? = nil) {
        batch.append(
            record.plaintext(time: now.unixNanoseconds, source: source, blind: composer.blind()),
            isUrgent: record.isUrgent)
    }

    fileprivate func drain(_ ring: RingState, of life: ServerLife, _ now: AgentTime) {
        do throws(RecordRingError) {
            if let fault = ring.fault {
                ring.fault = nil
                throw fault
            }
            while !batch.isFull {
                guard let item = try ring.reader.next() else {
                    ring.isAtEnd = true
                    return
                }
                ring.isAtEnd = false
                switch item {
                case .record(let record): add(record, ring, life, now)
                case .lost(let records, let bytes):
                    let text =
                        "\(records) records, \(bytes) bytes, of ring \(ring.source.ring) of \(life.name) are lost"
                    add(.alarm(name: "ring", text: text), now)
                    counts.ringFaults += 1
                    counts.dropped += records
                    batch.touch(ring)
                    voice.say(.error, text)
                }
            }
        } catch {
            pass(error, ring, life, now)
        }
    }

    fileprivate func add(_ record: RingRecord, _ ring: RingState, _ life: ServerLife, _ now: AgentTime) {
        let source = RecordSource(
            instance: ring.source.instance, ring: ring.source.ring, sequence: record.sequence)
        var fault: String?
        switch record.content {
        case .call(let call):
            composer.add(call, source, to: batch, from: &payloadKeys, now: now.unixNanoseconds)
        case .event(.refused, _, let event) where isHeldBack(event, now): return batch.touch(ring)
        case .event(let kind, let time, let event):
            if composer.add(kind, event, time: time, source, to: batch) {
                if kind == .server, RingEvent.number(1, of: event) == ServerPhase.ended { life.hasEnded = true }
                if kind == .gap { counts.dropped += RingEvent.number(3, of: event) ?? 0 }
            } else {
                fault = "the message of its \(kind) event cannot be read"
            }
        case .unreadable: fault = "it says what no server of this release says"
        }
        // It takes the record's place, so that the record is acknowledged and comes once.
        if let fault {
            let text = "record \(record.sequence) of ring \(ring.source.ring) of \(life.name): \(fault)"
            add(.alarm(name: "ring", text: text), now, source: source)
            counts.ringFaults += 1
            voice.say(.error, text)
        }
        batch.note(ring, sequence: record.sequence)
    }

    private func isHeldBack(_ event: ByteView, _ now: AgentTime) -> Bool {
        !refused.admits(event.count, now: now.nanoseconds) && refused.hold(event, now: now.nanoseconds)
    }

    /// A ring that cannot be read on: what is in it is passed over, and the log says so. Other rings go on.
    fileprivate func pass(_ error: RecordRingError, _ ring: RingState, _ life: ServerLife, _ now: AgentTime) {
        ring.rest(at: now.nanoseconds)
        counts.ringFaults += 1
        voice.say(.error, error.sentence)
        var text = error.sentence
        switch error {
        case .broken, .behind:
            do throws(RecordRingError) {
                text += "; \(try ring.reader.skipToHead()) bytes are passed over"
                batch.touch(ring)
            } catch {
                life.isFailed = true
                text += "; \(error.sentence)"
            }
        default: life.isFailed = true
        }
        if life.isFailed { for ring in life.rings { ring.close() } }
        add(.alarm(name: "ring", text: text), now)
    }
}

extension ServerLife {
    /// In sentences and alarms.
    var name: String { file.instance.fileName }
}

/// Of a server's own events what the agent acts on.
enum RingEvent {
    /// The number in a field of an event's message, 0 if it is not there. `nil`: these bytes are no message.
    static func number(_ field: Int, of event: ByteView) -> UInt64? {
        var reader = WireReader(event)
        var number: UInt64 = 0
        do throws(WireError) {
            while let found = try reader.next() {
                guard found.number == field else { continue }
                number = found.type == .fixed64 ? try found.double().bitPattern : try found.unsigned()
            }
        } catch {
            return nil
        }
        return number
    }
}
