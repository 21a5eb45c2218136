"""Calls as tests make them: orders to the control service, predictions, and what the server lists."""
import grpc
import numpy as np
import pytest

from command_line import command
from models import WIDTH
from server import PATIENCE
from stubs import control, control_grpc, prediction, prediction_grpc


def controls(server):
    return control_grpc.ModelControlServiceStub(server.channel(server.control))


def load(stub, name, version=0):
    return stub.Load(control.ControlRequest(model=name, version=version), timeout=PATIENCE)


def swap(stub, *models, **options):
    return stub.Swap(control.ControlRequest(
        swaps=[control.ModelVersion(model=name, version=version) for name, version in models], **options), timeout=PATIENCE)


def request(name, rows=1, **selector):
    return prediction.PredictRequest(
        model=prediction.ModelSelector(name=name, **selector),
        inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[rows, WIDTH], data=bytes(4 * WIDTH * rows))])


def check(answer):
    """(version, epoch) of an answer whose values are that version's."""
    value, = set(np.frombuffer(answer.outputs[0].data, np.float32).tolist())
    assert value == answer.version
    return answer.version, answer.epoch


def ask(server, name, **selector):
    """(version, epoch) of the answer to one call."""
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    return check(stub.Predict(request(name, **selector), timeout=PATIENCE))


def states(server, name):
    """{version: (slot, state)} of a model."""
    listed = prediction_grpc.PredictionServiceStub(server.channel()).ListModels(prediction.ListModelsRequest())
    names = {number: state for state, number in prediction.State.items()}
    slots = {number: slot for slot, number in prediction.Slot.items()}
    return {version.version: (slots[version.slot], names[version.state])
            for found in listed.models if found.name == name for version in found.versions}


def refused(code, call, *words):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == code, caught.value.details()
    for word in words:
        assert word in caught.value.details(), caught.value.details()


def vencejo(server, *arguments):
    """A command of the binary against this server."""
    return command(*arguments, VENCEJO_CONTROL=server.control, VENCEJO_ENDPOINT=server.address)
