"""What is asked of a server whose work is counted: messages written by hand, the same bytes each time."""
import dataclasses
import pathlib
import random
import struct

MODELS = pathlib.Path(__file__).resolve().parents[1] / "Fixtures" / "models"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/vencejo.v1.PredictionService/Predict"


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    model: str
    path: str
    shape: tuple
    in_flight: int = 256
    connections: int = 8
    is_tls: bool = False
    #: A record of each call is written, without an agent: the ring has room for all of them.
    is_audited: bool = False
    #: Rounds of `in_flight` requests: until a server has all the memory it needs, and those that are counted.
    warm_rounds: int = 8
    rounds: int = 32

    @property
    def requests(self):
        return self.rounds * self.in_flight

    @property
    def has_runtime(self):
        return self.model != "identity"

    def contents(self):
        """Each request's floats; those of a model differ, because a forest's rows take different ways."""
        elements, numbers = 1, random.Random(1)
        for dimension in self.shape:
            elements *= dimension
        distinct = self.in_flight if self.has_runtime else 1
        rows = [struct.pack(f"<{elements}f", *(numbers.uniform(0, 100) for _ in range(elements)))
                for _ in range(distinct)]
        return [rows[index % distinct] for index in range(self.in_flight)]

    def messages(self):
        write = predict_request if self.path == PREDICT else model_infer_request
        name = "X" if self.has_runtime else "x"
        return [write(self.model, name, self.shape, content) for content in self.contents()]


WORKLOADS = [
    Workload("S", "identity", MODEL_INFER, (1, 30)),
    Workload("L", "identity", MODEL_INFER, (1, 3, 224, 224), in_flight=16, connections=2, warm_rounds=4, rounds=48),
    Workload("forest", "breast_cancer", MODEL_INFER, (1, 30), warm_rounds=16),
    Workload("S over TLS", "identity", MODEL_INFER, (1, 30), is_tls=True),
    Workload("S audited", "identity", MODEL_INFER, (1, 30), is_audited=True),
    Workload("Predict", "identity", PREDICT, (1, 30)),
]


def varint(value):
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def field(number, payload):
    """A protobuf field of bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def packed(shape):
    return b"".join(map(varint, shape))


def model_infer_request(model, name, shape, content):
    tensor = field(1, name.encode()) + field(2, b"FP32") + field(3, packed(shape))
    return field(1, model.encode()) + field(5, tensor) + field(7, content)


def predict_request(model, name, shape, content):
    fp32 = varint(2 << 3) + varint(12)
    tensor = field(1, name.encode()) + fp32 + field(3, packed(shape)) + field(4, content)
    return field(1, field(1, model.encode())) + field(4, tensor)
