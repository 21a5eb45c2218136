"""What all calls hold together stays under --memory-limit: what comes beyond it is refused, and nothing is lost."""
import queue

import grpc
import pytest

from server import Server, run
from stubs import prediction, prediction_grpc
from waiting import eventually

LIMIT = 32 << 20
MEGABYTE = 1 << 20


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


@pytest.fixture()
def server(tmp_path):
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "model.yaml").write_text("engine: identity\n")
    server = Server("--memory-limit", "32M", "--shards", "1", repository=tmp_path)
    yield server
    server.stop()


def large(bytes_):
    tensor = prediction.Tensor(name="x", type=prediction.UINT8, shape=[bytes_], data=bytes(bytes_))
    return prediction.PredictRequest(model=prediction.ModelSelector(name="echo"), inputs=[tensor])


def endless(count):
    """A PredictMany that sends `count` messages of 1 MB and never ends; the queue ends it."""
    end = queue.Queue()

    def messages():
        for _ in range(count):
            yield large(MEGABYTE)
        end.get()

    return messages(), end


def test_beyond_the_limit_calls_are_refused_and_later_answered(server):
    before = resident(server)
    channels = [grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(8)]
    streams, ends = [], []
    for channel in channels:
        messages, end = endless(10)
        streams.append(prediction_grpc.PredictionServiceStub(channel).PredictMany.future(messages, timeout=60))
        ends.append(end)
    # Eight times 10 MB cannot be held: some are refused while they grow, and say when to come again.
    refused = eventually(lambda: [stream for stream in streams if stream.done()])
    assert refused[0].code() == grpc.StatusCode.RESOURCE_EXHAUSTED, refused[0].details()
    assert "33554432 bytes" in refused[0].details()
    assert dict(refused[0].trailing_metadata())["grpc-retry-pushback-ms"] == "100"
    assert resident(server) - before < 4 * LIMIT
    for end in ends:
        end.put(None)
    for stream in streams:
        stream.exception()
    for channel in channels:
        channel.close()
    # Given back: a large call is answered again.
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    for _ in range(100):
        try:
            answer = stub.Predict(large(3 * MEGABYTE), timeout=10)
            break
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert len(answer.outputs[0].data) == 3 * MEGABYTE


@pytest.mark.parametrize("value", ["0", "12T", "-1", "x", "1.5G"])
def test_a_limit_that_is_no_size_is_named(value, tmp_path):
    code, _, stderr = run("serve", "--repository", tmp_path, "--memory-limit=" + value)
    assert code == 2
    assert f'--memory-limit: "{value}" is not allowed' in stderr and stderr.count("\n") == 1


def test_a_limit_below_four_messages_is_named(tmp_path):
    code, _, stderr = run("serve", "--repository", tmp_path, "--memory-limit", "15M")
    assert code == 2 and "memory_limit 15728640: allowed are 16777216 and more" in stderr
