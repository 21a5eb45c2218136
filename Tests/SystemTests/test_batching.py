"""Calls that run together, on executors or on shards: each gets what it would get alone, or is refused in time."""
import collections
import concurrent.futures
import contextlib
import random
import shutil

import grpc
import numpy as np
import pytest

import slow
from answers import answer, committed, model_path
from h2raw import Connection, Response, f, fields, message
from server import MODELS, PATIENCE, Server
from stubs import inference_grpc, prediction, prediction_grpc
from tensors import case, close, comparable, infer_request, predict_request, read_infer, read_predict

PREDICT = "/vencejo.v1.PredictionService/Predict"
STREAM = "/vencejo.v1.PredictionService/PredictStream"
MANY = "/vencejo.v1.PredictionService/PredictMany"
OK, DEADLINE, EXHAUSTED, INTERNAL = 0, 4, 8, 13


def body(request):
    return message(request.SerializeToString())


def endings(connection, streams):
    """Reads until all these streams have ended: {stream: Response} in the order in which they did."""
    open_, ended = {stream: Response() for stream in streams}, {}
    for frame in connection.frames():
        if frame.stream_id not in open_:
            continue
        answered = open_[frame.stream_id]
        if isinstance(frame, f.HeadersFrame):
            answered.headers |= frame.fields
        if isinstance(frame, f.DataFrame):
            answered.data += frame.data
        if isinstance(frame, f.RstStreamFrame):
            answered.reset = frame.error_code
        if "END_STREAM" in frame.flags or answered.reset is not None:
            ended[frame.stream_id] = open_.pop(frame.stream_id)
            if not open_:
                return ended
    raise AssertionError(f"the connection ended before {list(open_)} did")


def read(response):
    return read_predict(prediction.PredictResponse.FromString(response.data[5:]))


@contextlib.contextmanager
def one_write(connection):
    """What is sent inside leaves together: the server has read all of it before the first run ends."""
    sent, connection.send = [], lambda *frames: sent.extend(frames)
    try:
        yield
    finally:
        del connection.send
    connection.send(*sent)


def at_once(connection, requests, **changes):
    """All in one write; the answers in the order of the requests."""
    with one_write(connection):
        streams = [connection.open(fields(PREDICT, **changes), body(request)) for request in requests]
    ended = endings(connection, streams)
    return [ended[stream] for stream in streams]


# Answers

def forest_calls(count, seed):
    """[(inputs, outputs wanted)], of different rows, sizes and filters."""
    rows = committed("breast_cancer", 1)[32]["in"]["X"][1]
    chance = random.Random(seed)
    wanted = [(), (), ("label",), ("probabilities",), ("probabilities", "label")]
    return [({"X": ("FP32", rows[chance.sample(range(32), chance.choice([1, 1, 1, 2, 5]))])}, chance.choice(wanted))
            for _ in range(count)]


def alone(model, version, inputs, outputs=()):
    """What onnxruntime gives this call by itself."""
    given = answer(model_path(model, version).read_bytes(), {name: array for name, (_, array) in inputs.items()})
    return comparable({name: given[name] for name in outputs} if outputs else given)


@pytest.mark.parametrize("dialect", ["prediction", "open inference"])
def test_many_calls_on_one_connection_answer_as_alone(server, dialect):
    channel = server.channel()
    calls = forest_calls(400, seed=len(dialect))
    if dialect == "prediction":
        stub = prediction_grpc.PredictionServiceStub(channel).Predict
        futures = [stub.future(predict_request("breast_cancer", inputs, 1, outputs)) for inputs, outputs in calls]
        got = [read_predict(future.result()) for future in futures]
    else:
        stub = inference_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        futures = [stub.future(infer_request("breast_cancer", inputs, version=1, outputs=outputs))
                   for inputs, outputs in calls]
        got = [read_infer(future.result()) for future in futures]
    for index, (inputs, outputs) in enumerate(calls):
        assert close(got[index], alone("breast_cancer", 1, inputs, outputs)), (index, outputs)


def test_calls_of_one_write_answer_as_alone(server):
    """One turn of a shard sees them all: what can run together does."""
    with Connection(server.address) as connection:
        for turn in range(8):
            calls = forest_calls(60, seed=turn)
            answers = at_once(connection, [predict_request("breast_cancer", inputs, 1, outputs)
                                           for inputs, outputs in calls])
            for response, (inputs, outputs) in zip(answers, calls):
                assert response.status == OK and close(read(response), alone("breast_cancer", 1, inputs, outputs))


def test_versions_models_and_faults_of_one_write_are_kept_apart(server):
    asked = {name: case(name, version, 1) for name, version in (("digits", 1), ("diabetes", 1), ("tickets", 1))}
    forest = committed("breast_cancer", 1)[1]["in"]
    requests = [predict_request("breast_cancer", forest, version) for version in (1, 2)]
    expected = [alone("breast_cancer", version, forest) for version in (1, 2)]
    for name, (inputs, given) in asked.items():
        requests.append(predict_request(name, inputs))
        expected.append(given)
    requests.append(predict_request("nobody", forest))
    expected.append(None)
    order = [index for index in range(len(requests)) for _ in range(8)]
    random.Random(3).shuffle(order)
    with Connection(server.address) as connection:
        for response, index in zip(at_once(connection, [requests[i] for i in order]), order):
            if expected[index] is None:
                assert response.status == 5
            else:
                assert response.status == OK and close(read(response), expected[index])


def test_rows_that_depend_on_each_other_are_never_mixed(server):
    rows = np.random.default_rng(9).standard_normal((600, 2)).astype(np.float32)
    calls = [{"x": ("FP32", rows[i:i + 1 + i % 3])} for i in range(0, 500)]
    stub = prediction_grpc.PredictionServiceStub(server.channel()).Predict
    futures = [stub.future(predict_request("batch_mean", inputs)) for inputs in calls]
    for future, inputs in zip(futures, calls):
        assert close(read_predict(future.result()), alone("batch_mean", 1, inputs))
    with Connection(server.address) as connection:
        for response, inputs in zip(at_once(connection, [predict_request("batch_mean", each) for each in calls[:90]]),
                                    calls):
            assert response.status == OK and close(read(response), alone("batch_mean", 1, inputs))


def test_one_row_that_fails_fails_alone(server):
    places = [[1], [2, 99], [3], [4], [-99], [5, 6]] * 10
    requests = [predict_request("lookup", {"place": ("INT64", np.array(each))}) for each in places]
    with Connection(server.address) as connection:
        for response, each in zip(at_once(connection, requests), places):
            if max(each) > 7 or min(each) < -8:
                assert response.status == INTERNAL
            else:
                assert response.status == OK
                assert close(read(response), alone("lookup", 1, {"place": ("INT64", np.array(each))}))


# A model that takes long

@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    shutil.copytree(MODELS / "identity", folder / "identity")
    slow.write(folder)
    slow.write(folder, "single", "batching: off\n")
    slow.write(folder, "narrow", "batching: off\nmax_queue_size: 2\ninstances: 1\n")
    return folder


@pytest.fixture(scope="module")
def busy(repository):
    """One shard and one executor: what waits for whom is known."""
    server = Server("--executors", "1", "--shards", "1", repository=repository)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def one_model(tmp_path_factory):
    """For servers that are to end: they start soon."""
    slow.write(folder := tmp_path_factory.mktemp("single"), "single", "batching: off\n")
    return folder


def slow_request(*places, model="slow", seed=0, **more):
    return predict_request(model, slow.inputs(*places, seed=seed), **more)


ONES = predict_request("identity", {"x": ("FP32", np.ones((1, 3), np.float32))})


def runs_that_failed(server):
    """Each run with a place that is not there leaves a line of the runtime's."""
    return sum("Gather" in line for line in server.log().splitlines() if "ONNX Runtime:" in line)


def test_slow_calls_answer_as_alone_in_whatever_company(busy):
    calls = [slow.inputs(*range(1 + i % 3), seed=i) for i in range(24)]
    stub = prediction_grpc.PredictionServiceStub(busy.channel()).Predict
    futures = [stub.future(predict_request("slow", inputs)) for inputs in calls]
    assert [read_predict(future.result()) for future in futures] == [slow.answer(inputs) for inputs in calls]


def test_a_slow_model_does_not_hold_up_others(busy):
    with Connection(busy.address) as connection:
        with one_write(connection):
            late = [connection.open(fields(PREDICT), body(slow_request(1, model="single"))) for _ in range(3)]
            early = [connection.open(fields(PREDICT), body(ONES)) for _ in range(40)]
        ended = endings(connection, late + early)
    assert all(response.status == OK for response in ended.values())
    # All of the short ones were answered before the last of the slow ones: mostly before the first.
    assert list(ended)[-1] == late[-1] and [each for each in ended if each in late] == late
    assert list(ended).index(late[1]) >= len(early)


def test_a_queue_that_is_full(busy):
    with Connection(busy.address) as connection:
        answers = at_once(connection, [slow_request(1, model="narrow", seed=i) for i in range(8)])
        codes = collections.Counter(response.status for response in answers)
        assert set(codes) == {OK, EXHAUSTED} and codes[OK] >= 2 and codes[EXHAUSTED] >= 1
        for response in answers:
            if response.status == EXHAUSTED:
                assert response.text.startswith('2 calls wait for model "narrow"')
                assert int(response.headers["grpc-retry-pushback-ms"]) > 0
        # When they have run there is room again.
        assert connection.call(fields(PREDICT), body(slow_request(1, model="narrow"))).status == OK


def test_a_deadline_that_cannot_be_met_is_told_at_once(busy):
    timeout, failed = f"{int(500 * slow.SECONDS)}m", runs_that_failed(busy)
    with Connection(busy.address) as connection:
        with one_write(connection):
            before = [connection.open(fields(PREDICT), body(slow_request(1, model="single"))) for _ in range(8)]
            late = [connection.open(fields(PREDICT, grpc_timeout=timeout),
                                    body(slow_request(slow.NOWHERE, model="single"))) for _ in range(3)]
        ended = endings(connection, before + late)
    for stream in late:
        response = ended[stream]
        assert response.status == EXHAUSTED and int(response.headers["grpc-retry-pushback-ms"]) > 0
        assert response.text.startswith('model "single" has work for')
    assert all(ended[stream].status == OK for stream in before) and runs_that_failed(busy) == failed


def test_with_nothing_before_it_a_call_may_try(busy):
    """What a model was found to take is no promise: who is first is not refused for it."""
    timeout = f"{int(500 * slow.SECONDS)}m"
    with Connection(busy.address) as connection:
        answer = connection.call(fields(PREDICT, grpc_timeout=timeout), body(slow_request(1, model="single")))
    assert answer.status in (OK, DEADLINE)


def test_with_work_before_it_a_deadline_is_sooner_out_of_reach(busy):
    timeout, failed = f"{int(3000 * slow.SECONDS)}m", runs_that_failed(busy)
    with Connection(busy.address) as connection:
        assert connection.call(fields(PREDICT, grpc_timeout="60S"), body(slow_request(1, model="single"))).status == OK
        with one_write(connection):
            before = [connection.open(fields(PREDICT), body(slow_request(1, model="single"))) for _ in range(20)]
            late = connection.open(fields(PREDICT, grpc_timeout=timeout),
                                   body(slow_request(slow.NOWHERE, model="single")))
        ended = endings(connection, before + [late])
    assert list(ended)[0] == late and ended[late].status == EXHAUSTED
    assert all(ended[stream].status == OK for stream in before)
    assert runs_that_failed(busy) == failed


def test_who_expires_or_is_cancelled_while_waiting_never_runs(busy):
    """Nine calls of a higher priority came later, and eight of them go first."""
    low, high, failed = prediction.Priority.LOW, prediction.Priority.HIGH, runs_that_failed(busy)
    with Connection(busy.address) as connection:
        with one_write(connection):
            first = connection.open(fields(PREDICT), body(slow_request(0, model="single")))
            expires = connection.open(fields(PREDICT, grpc_timeout=f"{int(5000 * slow.SECONDS)}m"),
                                      body(slow_request(slow.NOWHERE, model="single", priority=low)))
            gone = connection.open(fields(PREDICT), body(slow_request(slow.NOWHERE, model="single", priority=low)))
            others = [connection.open(fields(PREDICT), body(slow_request(1, model="single", priority=high, seed=i)))
                      for i in range(12)]
            connection.reset(gone)
        ended = endings(connection, [first, expires] + others)
        # Where runs have just taken long the door knows already that it would be too late.
        assert ended[expires].status in (DEADLINE, EXHAUSTED)
        assert all(ended[stream].status == OK for stream in [first] + others)
        assert runs_that_failed(busy) == failed
        # What the silence is worth: one that does run is heard of.
        assert connection.call(fields(PREDICT), body(slow_request(slow.NOWHERE, model="single"))).status == INTERNAL
    assert runs_that_failed(busy) == failed + 1


# Streams

def alternating(count):
    """Messages for a short and a slow model by turns, and what they are answered."""
    ones = {"x": ("FP32", np.ones((1, 3), np.float32))}
    asked = [("slow", slow.inputs(i % 8, seed=i)) if i % 2 else ("identity", ones) for i in range(count)]
    return asked, [slow.answer(inputs) if model == "slow" else comparable(inputs) for model, inputs in asked]


def test_streams_keep_their_order(busy):
    asked, expected = alternating(12)
    channel = busy.channel()
    predictions = prediction_grpc.PredictionServiceStub(channel)
    oip = inference_grpc.GRPCInferenceServiceStub(channel)
    requests = [predict_request(model, inputs) for model, inputs in asked]
    assert [read_predict(each.response) for each in predictions.PredictStream(iter(requests))] == expected
    assert [read_predict(each.response) for each in predictions.PredictMany(iter(requests)).results] == expected
    requests = [infer_request(model, inputs) for model, inputs in asked]
    assert [read_infer(each.infer_response) for each in oip.ModelStreamInfer(iter(requests))] == expected


def test_streams_beside_each_other_keep_their_orders(busy):
    asked, expected = alternating(6)
    stub = prediction_grpc.PredictionServiceStub(busy.channel())
    requests = [predict_request(model, inputs) for model, inputs in asked]
    streams = [stub.PredictStream(iter(requests)) for _ in range(6)] + [stub.PredictStream(iter(requests[::-1]))]
    with concurrent.futures.ThreadPoolExecutor(len(streams)) as pool:
        got = list(pool.map(lambda stream: [read_predict(each.response) for each in stream], streams))
    assert got == [expected] * 6 + [expected[::-1]]


def test_a_fault_stands_in_its_place_among_slow_answers(busy):
    stub = prediction_grpc.PredictionServiceStub(busy.channel())
    requests = [slow_request(1), slow_request(slow.NOWHERE), ONES, predict_request("nobody", {}), slow_request(2)]
    codes = [each.error.code if each.WhichOneof("result") == "error" else OK
             for each in stub.PredictStream(iter(requests))]
    assert codes == [OK, INTERNAL, OK, 5, OK]


# Ends

@pytest.mark.parametrize("path", [PREDICT, STREAM, MANY])
@pytest.mark.parametrize("cut", [False, True], ids=["reset", "cut"])
def test_a_call_is_given_up_while_it_runs(busy, path, cut):
    """Nobody waits for the run any more: the server goes on, and ends as cleanly as any."""
    for turn in range(4):
        with Connection(busy.address) as connection:
            several = 1 if path == PREDICT else 3
            stream = connection.open(fields(path), body(slow_request(1, seed=turn)) * several, end=path == PREDICT)
            assert connection.call(fields(PREDICT), body(ONES)).status == OK
            if not cut:
                connection.reset(stream)
                assert connection.call(fields(PREDICT), body(slow_request(2))).status == OK
    with Connection(busy.address) as connection:
        response = connection.call(fields(PREDICT), body(slow_request(3, seed=9)))
        assert read(response) == slow.answer(slow.inputs(3, seed=9))


@pytest.mark.parametrize("shards", [1, 2])
def test_a_run_ends_before_the_server_does(serve, one_model, shards):
    busy = serve("--executors", "1", "--shards", shards, repository=one_model)
    with Connection(busy.address) as connection:
        streams = [connection.open(fields(PREDICT), body(slow_request(1, model="single", seed=i))) for i in range(3)]
        # The calls have arrived: what was sent behind them is answered.
        assert connection.ping()
        busy.terminate()
        ended = endings(connection, streams)
        assert [read(ended[stream]) for stream in streams] == [slow.answer(slow.inputs(1, seed=i)) for i in range(3)]
    assert busy.process.wait(PATIENCE) == 0


def test_a_server_ends_while_nobody_waits_for_its_runs(serve, one_model):
    busy = serve("--executors", "1", repository=one_model)
    for _ in range(3):
        with Connection(busy.address) as connection:
            connection.open(fields(PREDICT), body(slow_request(1, model="single")))
            assert connection.ping()
    busy.stop()


# model.yaml

SETTINGS = [  # lines, and (key, value, allowed) of the sentence if they are refused
    ("max_batch_size: 1", None), ("max_batch_size: 4095", None), ("preferred_batch_size: 4", None),
    ("max_queue_delay_microseconds: 0", None), ("max_queue_delay_microseconds: 2000", None),
    ("batching: auto", None), ("batching: on", None), ("batching: off", None),
    ("batching: always", ("batching", "always", "auto, on, off")), ("max_queue_size: 1", None), ("max_queue_size: 1000000", None), ("instances: 1", None), ("instances: 256", None),
    ("max_batch_size: 8\npreferred_batch_size: 2\nmax_queue_delay_microseconds: 1000\ninstances: 2", None),
    ("max_batch_size: 0", ("max_batch_size", "0", "1 to 4095")),
    ("max_batch_size: 4096", ("max_batch_size", "4096", "1 to 4095")),
    ("max_batch_size: -1", ("max_batch_size", "-1", "1 to 4095")),
    ("max_batch_size: many", ("max_batch_size", "many", "1 to 4095")),
    ("preferred_batch_size: 0", ("preferred_batch_size", "0", "1 to 4095")),
    ("max_queue_delay_microseconds: -1", ("max_queue_delay_microseconds", "-1", "0 to 10000000")),
    ("max_queue_delay_microseconds: 10000001", ("max_queue_delay_microseconds", "10000001", "0 to 10000000")),
    ("max_queue_size: 0", ("max_queue_size", "0", "1 to 1000000")),
    ("instances: 0", ("instances", "0", "1 to 256")), ("instances: 257", ("instances", "257", "1 to 256")),
    ("instances: 1\ninstances: 2", ("instances",)),
]


def test_settings_of_a_model(serve, tmp_path):
    for number, (lines, _) in enumerate(SETTINGS):
        shutil.copytree(MODELS / "diabetes", tmp_path / f"m{number}")
        (tmp_path / f"m{number}" / "model.yaml").write_text(lines + "\n")
    server = serve(repository=tmp_path)
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    inputs, expected = case("diabetes", 1, 1)
    log = server.log().splitlines()
    for number, (lines, words) in enumerate(SETTINGS):
        request = predict_request(f"m{number}", inputs)
        if words is None:
            at_a_time = 1 if lines == "max_queue_size: 1" else 20
            futures = [stub.Predict.future(request) for _ in range(at_a_time)]
            assert all(close(read_predict(each.result()), expected) for each in futures), lines
            continue
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert any(all(word in line for word in (f"m{number}/model.yaml", *words)) for line in log), (lines, log)


def test_calls_that_wait_for_company_go_when_it_has_come(serve, tmp_path):
    """The delay is ten seconds: only because enough have come is there an answer before."""
    shutil.copytree(MODELS / "diabetes", tmp_path / "diabetes")
    (tmp_path / "diabetes" / "model.yaml").write_text(
        "max_queue_delay_microseconds: 10000000\npreferred_batch_size: 4\n")
    stub = prediction_grpc.PredictionServiceStub(serve(repository=tmp_path).channel())
    inputs, expected = case("diabetes", 1, 1)
    futures = [stub.Predict.future(predict_request("diabetes", inputs), timeout=8) for _ in range(4)]
    assert all(close(read_predict(each.result()), expected) for each in futures)
