"""Mutations of an audit log that take a key, by an attacker with another key than the log's: kinds of mutations.py."""
import dataclasses
import hashlib

import audit_format
from audit_format import CHECKPOINT, RECORD
from checkpoints import encode64, key_id, parse_note, public_key, sign_checkpoint
from merkle import CompactRange, leaf_hash

FOREIGN_SEED = hashlib.sha256(b"a key that is not the log's").digest()


def renumbered(pieces, index):
    """Frames with indexes that follow each other from `index` on."""
    written = []
    for piece in pieces:
        written.append(piece[:8] + index.to_bytes(8, "big") + piece[16:])
        index += piece[0] != CHECKPOINT
    return written


def forged_seal(log, source):
    """The log ends at one of its frames, with a seal and a checkpoint of the right root, by a foreign key."""
    name = source.choice(log.names)
    chosen = source.randrange(len(log.frames[name]))
    tree, checkpoints, header = _tree_before(log, name), 0, log.headers[name]
    tree.append(_entry_hash(header.raw))
    for kind, start, end in log.frames[name][:chosen]:
        checkpoints += kind == CHECKPOINT
        if kind != CHECKPOINT:
            tree.append(_entry_hash(log.files[name][start:end]))
    seal = audit_format.seal_frame(tree.size, source.randint(1, 5), checkpoints)
    tree.append(_entry_hash(seal))
    note = sign_checkpoint(header.origin, tree.size, tree.root(), FOREIGN_SEED)
    if source.random() < 0.5:
        note = _under_key_id(note, header)
    kept = log.files[name][:log.frames[name][chosen][1]]
    data = kept + seal + audit_format.frame(CHECKPOINT, tree.size, note.encode())
    gone = log.names[log.names.index(name) + 1:] if source.random() < 0.7 else []
    mutated = {each: content for each, content in (log.files | {name: data}).items() if each not in gone}
    return f"{name} at frame {chosen}, {len(gone)} files behind it gone", mutated


def _entry_hash(entry):
    return leaf_hash(hashlib.sha256(entry).digest())


def _tree_before(log, name):
    return CompactRange(log.headers[name].first, log.headers[name].roots)


def _under_key_id(note, header):
    """The note with its foreign signature under the id of the log's own key."""
    (origin, _, signature), = parse_note(note).signatures
    return note[:note.index("\n\n") + 2] + f"— {origin} {encode64(key_id(origin, header.signer) + signature)}\n"


def taken_over(log, source):
    """From one segment on, all is written anew by a foreign key, with a record less, and a tree that fits."""
    chosen = source.randrange(len(log.names))
    records = [(kind, start, end) for kind, start, end in log.frames[log.names[chosen]] if kind == RECORD]
    gone = source.choice(records) if records and source.random() < 0.7 else None
    has_new_signer = source.random() < 0.5
    mutated, tree, before = dict(log.files), None, None
    for name in log.names[chosen:]:
        header = log.headers[name]
        tree = tree or _tree_before(log, name)
        signer = public_key(FOREIGN_SEED) if has_new_signer else header.signer
        header = audit_format.write_header(dataclasses.replace(
            header, first=tree.size, roots=tuple(tree.roots), signer=signer,
            prev_len=header.prev_len if before is None else len(mutated[before])), commitment=header.commitment)
        pieces = [(kind, log.files[name][start:end]) for kind, start, end in log.frames[name]
                  if name != log.names[chosen] or (kind, start, end) != gone]
        mutated[name] = header.raw + _signed_anew(header, pieces, tree)
        before = name
    named = "another" if has_new_signer else "the same"
    return f"from {log.names[chosen]}, {named} signer named, without {gone}", mutated


def _signed_anew(header, pieces, tree):
    tree.append(_entry_hash(header.raw))
    written = b""
    for kind, piece in pieces:
        if kind == CHECKPOINT:
            note = sign_checkpoint(header.origin, tree.size, tree.root(), FOREIGN_SEED)
            written += audit_format.frame(CHECKPOINT, tree.size, note.encode())
        else:
            piece = renumbered([piece], tree.size)[0]
            tree.append(_entry_hash(piece))
            written += piece
    return written
