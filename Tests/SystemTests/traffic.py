"""Calls that go on beside a test."""
import collections
import threading
import time

import grpc
import numpy as np

from models import WIDTH
from server import PATIENCE
from stubs import prediction, prediction_grpc
from waiting import eventually


Answer = collections.namedtuple("Answer", "began version seed")
Failure = collections.namedtuple("Failure", "began code details")


class Load:
    """Calls from several threads until the block ends; keeps what came of each."""

    def __init__(self, server, name="scores", threads=4, key=None):
        self.failed, self.answers = [], []
        self.over = threading.Event()

        def run(seed):
            random = np.random.default_rng(seed)
            stub = prediction_grpc.PredictionServiceStub(server.channel())
            metadata = [("vencejo-routing-key", key(seed))] if key else None
            while not self.over.is_set():
                content = random.standard_normal((1, WIDTH)).astype(np.float32).tobytes()
                call = prediction.PredictRequest(
                    model=prediction.ModelSelector(name=name),
                    inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[1, WIDTH], data=content)])
                began = time.monotonic()
                try:
                    answer = stub.Predict(call, timeout=PATIENCE, metadata=metadata)
                    self.answers.append(Answer(began, answer.version, seed))
                except grpc.RpcError as error:
                    self.failed.append(Failure(began, error.code(), error.details()))
        self.threads = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]

    @property
    def versions(self):
        """How many answers each version gave."""
        return collections.Counter(answer.version for answer in list(self.answers))

    def until(self, count):
        """Waits until there are so many answers."""
        assert eventually(lambda: len(self.answers) >= count), (len(self.answers), self.failed[-5:])

    def versions_from_now(self, count=20):
        """The versions that answer calls that begin after this one, of so many of them."""
        now = time.monotonic()

        def later():
            return [answer.version for answer in list(self.answers) if answer.began > now]
        assert eventually(lambda: len(later()) >= count), self.failed[-5:]
        return set(later())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
