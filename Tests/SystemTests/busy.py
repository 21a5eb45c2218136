"""A server that is busy in every way that its metrics tell of, and the agents beside it."""
import contextlib
import pathlib
import shutil
import tempfile
import threading
import urllib.request

import grpc

from agent import Agent
from audit_agent import Auditing
from server import MODELS, Server
from stubs import control as messages
from stubs import control_grpc, inference_grpc, prediction_grpc
from tensors import case, infer_request, predict_request

TRACED = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]


ASKED = {"breast_cancer": 2, "diabetes": 1, "tickets": 1}


def divide(orders, percent):
    orders.SetWeights(messages.ControlRequest(model="breast_cancer", shares=[
        messages.Share(version=2, percent=percent), messages.Share(version=1, percent=100 - percent)]))


def calls(server, stop):
    """Some hundred calls a second, of all models, most of them right."""
    predictions = prediction_grpc.PredictionServiceStub(server.channel())
    oip = inference_grpc.GRPCInferenceServiceStub(server.channel())
    asked = {name: case(name, version, 1)[0] for name, version in ASKED.items()}
    orders, turn = control_grpc.ModelControlServiceStub(server.channel(server.control)), 0
    while not stop.is_set():
        turn += 1
        if turn % 10 == 0:
            divide(orders, 70 + turn // 10 % 10)
        waiting = []
        for name, inputs in asked.items():
            waiting += [predictions.Predict.future(predict_request(name, inputs)) for _ in range(8)]
            waiting.append(predictions.Predict.future(predict_request(name, inputs), metadata=TRACED))
            waiting.append(oip.ModelInfer.future(infer_request(name, inputs)))
        waiting.append(predictions.Predict.future(predict_request("nobody", asked["tickets"])))
        waiting.append(predictions.Predict.future(predict_request("tickets", asked["diabetes"])))
        for call in waiting:
            call.exception()
        stop.wait(0.05)


@contextlib.contextmanager
def busy(*arguments):
    """The server and its metrics agent, while calls go on and an audit agent keeps them."""
    folder = pathlib.Path(tempfile.mkdtemp())
    ring = tempfile.TemporaryDirectory(prefix="vj-", dir="/dev/shm")
    stop = threading.Event()
    threads, agent, server, auditing = [], None, None, None
    try:
        (folder / "audit").mkdir()
        auditing = Auditing(folder / "audit", ring.name, "--metrics-page", folder / "audit.page").start()
        models = folder / "models"
        for name in ASKED:
            shutil.copytree(MODELS / name, models / name)
        server = Server("--metrics-page", folder / "page", "--metrics-required", "--audit-ring", ring.name, *arguments,
                        repository=models, control="127.0.0.1:0")
        orders = control_grpc.ModelControlServiceStub(server.channel(server.control))
        orders.Swap(messages.ControlRequest(model="breast_cancer"))
        orders.Rollback(messages.ControlRequest(model="breast_cancer"))
        with contextlib.suppress(grpc.RpcError):
            orders.Load(messages.ControlRequest(model="nobody"))
        divide(orders, 75)
        # The same once more, in the shadow.
        shutil.copytree(models / "breast_cancer" / "2", models / "breast_cancer" / "3")
        orders.Load(messages.ControlRequest(model="breast_cancer", version=3, slot="shadow"))
        orders.Shadow(messages.ControlRequest(model="breast_cancer", version=3, percent=100))
        threads = [threading.Thread(target=calls, args=(server, stop))]
        for thread in threads:
            thread.start()
        agent = Agent("--audit-page", str(folder / "audit.page"), page=str(folder / "page"))
        yield server, agent
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        if agent:
            agent.stop()
        if server:
            server.stop()
        if auditing:
            auditing.stop()
        ring.cleanup()
        shutil.rmtree(folder)


def scrape(agent, accept, path="/metrics"):
    request = urllib.request.Request(f"http://127.0.0.1:{agent.port}{path}", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read(), response.headers["Content-Type"]

