"""The plaintexts of an audit log: protobuf of vencejo.audit.v1 to dicts and back, without generated code.

A dict has the fields that are set, by name: bytes as hex, times as integers, one case of a oneof. Others are lost.
"""
import struct

from checkpoints import Malformed

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Fields by number: "name type", with * where it is repeated. A type that is no scalar names another message.
_SCHEMAS = {
    "Record": """
        1 time fixed64; 2 source Source; 3 call Call; 4 admin Admin; 5 refused Refused; 6 gap Gap;
        7 withheld Withheld; 8 server Server; 9 log Log; 10 clock Clock; 11 keys Keys; 12 erasure Erasure;
        13 hold Hold; 14 retention Retention; 15 alarm Alarm; 30 sealed Sealed; 31 blind bytes""",
    "Source": "1 instance fixed64; 2 ring uint32; 3 sequence uint64",
    "Sealed": "1 key bytes; 2 data bytes",
    "Call": """
        1 method string; 2 principal string; 3 auth uint32; 4 credential string; 5 verdict uint32;
        6 status uint32; 7 reason string; 8 asked string; 9 model string; 10 version int64; 11 slot uint32;
        12 artifact bytes; 13 epoch uint64; 14 read uint64; 15 queue uint64; 16 run uint64; 17 total uint64;
        18 request_bytes uint64; 19 answer_bytes uint64; 20 request_digest bytes; 21 answer_digest bytes;
        22 rows uint32; 23 batch fixed64; 24 batch_rows uint32; 25 batch_first uint32; 26 imputed uint32;
        27 clipped uint32; 28 outliers uint32; 29 cache uint32; 30 fallback uint32; 31 draw uint32;
        32 share_ppm uint32; 33 exposure uint64; 34 message uint32; 35 trace bytes; 36 clock_error uint32""",
    "Payload": """
        1 salt bytes; 2 request_id string; 3 labels map; 4 peer string; 5 routing_key fixed64;
        6 findings string*; 7 request bytes; 8 answer bytes""",
    "Label": "1 key string; 2 value string",
    "Admin": """
        1 phase uint32; 2 intent uint64; 3 verb string; 4 principal string; 5 auth uint32; 6 credential string;
        7 author string; 8 reason string; 9 changes Change*; 10 steps string*; 11 epoch uint64; 12 before bytes;
        13 after bytes; 14 error string; 15 automatic bool""",
    "Change": "1 model string; 2 from int64; 3 to int64; 4 artifact bytes; 5 maker string",
    "Refused": "1 reason string; 2 network string; 3 listener string; 4 count uint64; 5 first fixed64; 6 last fixed64",
    "Gap": "1 kind string; 2 reason string; 3 count uint64; 4 first fixed64; 5 last fixed64",
    "Withheld": "1 sequence uint64",
    "Server": "1 phase uint32; 2 instance bytes; 3 version string; 4 runtime string; 5 options string*; 6 host string",
    "Log": """
        1 reason uint32; 2 agent string; 3 previous_log bytes; 4 previous_size uint64; 5 previous_root bytes;
        6 anchor_size uint64""",
    "Clock": "1 status uint32; 2 max_error uint64; 3 est_error uint64; 4 step uint64; 5 stepped_back bool",
    "Keys": "1 purpose string; 2 kid string; 3 action string",
    "Erasure": "1 phase uint32; 2 subject bytes; 3 keys uint32; 4 principal string; 5 reason string",
    "Hold": "1 lifted bool; 2 subject bytes; 3 principal string; 4 reason string",
    "Retention": """
        1 oldest_seq uint64; 2 oldest_entry uint64; 3 oldest_period uint32; 4 principal string; 5 policy string;
        6 oldest_log uint32""",
    "Alarm": "1 name string; 2 text string",
}


def _table(text):
    rows = (row.split() for row in text.split(";"))
    return {int(number): (name, kind.rstrip("*"), kind.endswith("*")) for number, name, kind in rows}


FIELDS = {message: _table(text) for message, text in _SCHEMAS.items()}
EVENTS = [FIELDS["Record"][number][0] for number in range(3, 16)]
_WIRE_TYPES = {"fixed64": FIXED64} | dict.fromkeys(("uint32", "uint64", "int64", "bool"), VARINT)


def _read_varint(data, offset):
    value = 0
    for place in range(10):
        if offset + place >= len(data):
            raise Malformed("a varint is cut")
        byte = data[offset + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value & (1 << 64) - 1, offset + place + 1
    raise Malformed("a varint has more than 10 bytes")


def wire_fields(data):
    """(number, wire type, value) of each field of a message; values are integers or bytes."""
    offset = 0
    while offset < len(data):
        tag, offset = _read_varint(data, offset)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed(f"a field has the number {number}")
        if wire_type == VARINT:
            value, offset = _read_varint(data, offset)
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(wire_type)
            if wire_type == LENGTH:
                length, offset = _read_varint(data, offset)
            if length is None or length > len(data) - offset:
                raise Malformed(f"field {number} of wire type {wire_type} cannot be read")
            value, offset = data[offset:offset + length], offset + length
            if wire_type != LENGTH:
                value = int.from_bytes(value, "little")
        yield number, wire_type, value


def _value(kind, value):
    if kind in FIELDS:
        return decode(value, kind)
    if kind == "bytes":
        return value.hex()
    if kind == "string":
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Malformed("a string is not UTF-8") from error
    if kind == "bool":
        return value != 0
    if kind == "uint32":
        return value & 0xFFFFFFFF
    return value - (1 << 64) if kind == "int64" and value >> 63 else value


def decode(data, message="Record"):
    """A message's dict, or Malformed. A field of another wire type is an unknown one; of a field that comes twice, the
    last counts, but for messages, which are merged."""
    fields = {}
    for number, wire_type, value in wire_fields(data):
        name, kind, is_repeated = FIELDS[message].get(number, (None, None, False))
        if name is None or wire_type != _WIRE_TYPES.get(kind, LENGTH):
            continue
        if kind == "map":
            label = decode(value, "Label")
            fields.setdefault(name, {})[label.get("key", "")] = label.get("value", "")
            continue
        decoded = _value(kind, value)
        if message == "Record" and name in EVENTS:
            for other in set(EVENTS) & set(fields) - {name}:
                del fields[other]
        if is_repeated:
            fields.setdefault(name, []).append(decoded)
        elif kind in FIELDS:
            fields[name] = fields.get(name, {}) | decoded
        elif decoded:
            fields[name] = decoded
        else:
            fields.pop(name, None)
    return fields


def _varint(value):
    written = b""
    while value > 127:
        written += bytes([value & 127 | 128])
        value >>= 7
    return written + bytes([value])


def _written(number, kind, value):
    if kind == "fixed64":
        return _varint(number << 3 | FIXED64) + struct.pack("<Q", value)
    if kind in _WIRE_TYPES:
        return _varint(number << 3 | VARINT) + _varint(int(value) & (1 << 64) - 1)
    if kind in FIELDS:
        value = encode(value, kind)
    else:
        value = bytes.fromhex(value) if kind == "bytes" else value.encode()
    return _varint(number << 3 | LENGTH) + _varint(len(value)) + value


def encode(fields, message="Record"):
    """The bytes of a dict as a writer of the log makes them: fields ascending, defaults absent, maps by keys' bytes."""
    written = b""
    for number, (name, kind, is_repeated) in sorted(FIELDS[message].items()):
        if name not in fields:
            continue
        values = fields[name] if is_repeated else [fields[name]]
        if kind == "map":
            labels = sorted(fields[name].items(), key=lambda label: label[0].encode())
            kind, values = "Label", [{"key": key, "value": value} for key, value in labels]
        elif not is_repeated and not fields[name] and kind not in FIELDS:
            continue
        written += b"".join(_written(number, kind, value) for value in values)
    return written


def remarks(plaintext):
    """What verify notes of a record's plaintext; none of it is an error."""
    try:
        record = decode(plaintext)
    except Malformed as error:
        return [f"no Record: {error}"]
    found = []
    if ("sealed" in record) == ("blind" in record):
        found.append("both sealed and blind" if "sealed" in record else "neither sealed nor blind")
    if "call" in record and "sealed" not in record:
        found.append("a Call without sealed")
    return found
