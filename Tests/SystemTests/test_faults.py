"""Models that do not load leave the others alone; a start that cannot be right ends before a port is bound."""
import os
import shutil
import socket
import subprocess

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server import FIXTURES, MODELS, PATIENCE, Server, binary, run, runtime
from stubs import inference, inference_grpc, prediction, prediction_grpc
from tensors import case, predict_request, read_predict

INPUTS, EXPECTED = case("diabetes", 1, 1)
# What a client must not read: paths and the runtime's own words.
PRIVATE = ("/", ".onnx", "onnxruntime", "protobuf", "protocol buffer", "opset", "sandcastle", "node")


def model_folder(repository, name, version="1"):
    folder = repository / name / version
    folder.mkdir(parents=True)
    return folder


def symbolic_link(repository):
    (model_folder(repository, "link") / "model.onnx").symlink_to(MODELS / "diabetes" / "1" / "model.onnx")


def linked_folder(repository):
    (repository / "linked").mkdir()
    (repository / "linked" / "1").symlink_to(MODELS / "diabetes" / "1")


def named_pipe(repository):
    os.mkfifo(model_folder(repository, "pipe") / "model.onnx")


def folder_for_a_file(repository):
    (model_folder(repository, "folder") / "model.onnx").mkdir()


def no_file(repository):
    model_folder(repository, "nothing")


def huge_file(repository):
    with open(model_folder(repository, "huge") / "model.onnx", "wb") as file:
        file.truncate(1 << 40)


def unknown_engine(repository):
    model_folder(repository, "engine")
    (repository / "engine" / "model.yaml").write_text("engine: nonsense\n")


def unknown_key(repository):
    shutil.copytree(MODELS / "diabetes", repository / "key")
    (repository / "key" / "model.yaml").write_text("egnine: onnx\n")


MADE = {"link": symbolic_link, "linked": linked_folder, "pipe": named_pipe, "folder": folder_for_a_file,
        "nothing": no_file, "huge": huge_file, "engine": unknown_engine, "key": unknown_key}
FAILED = sorted(path.name for path in (FIXTURES / "broken").iterdir()) + list(MADE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Broken models of every kind beside two good ones, and folders that are no models at all."""
    folder = tmp_path_factory.mktemp("repository")
    for good in ("diabetes", "identity"):
        shutil.copytree(MODELS / good, folder / good)
    for broken in (FIXTURES / "broken").iterdir():
        shutil.copytree(broken, folder / broken.name)
    for make in MADE.values():
        make(folder)
    (folder / "README.txt").write_text("no model\n")
    (folder / "diabetes" / "notes").mkdir()  # no number: no version
    return folder


@pytest.fixture(scope="module")
def faulty(repository):
    server = Server(repository=repository)
    yield server
    server.stop()


@pytest.mark.parametrize("name", FAILED)
def test_a_model_that_does_not_load(faulty, name):
    channel = faulty.channel()
    oip = inference_grpc.GRPCInferenceServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == \
        health_pb2.HealthCheckResponse.NOT_SERVING
    assert not oip.ModelReady(inference.ModelReadyRequest(name=name)).ready
    infer = inference.ModelInferRequest(model_name=name)
    for call, request in ((prediction_grpc.PredictionServiceStub(channel).Predict, predict_request(name, INPUTS)),
                          (oip.ModelInfer, infer),
                          (oip.ModelMetadata, inference.ModelMetadataRequest(name=name))):
        with pytest.raises(grpc.RpcError) as caught:
            call(request)
        told = caught.value.details().replace(name, "")
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert told and not any(word in told.lower() for word in PRIVATE), told
    assert name in faulty.log()


def test_the_runtimes_own_words_are_in_the_log(faulty):
    assert "Sandcastle" in faulty.log()


def test_the_others_serve(faulty):
    channel = faulty.channel()
    health = health_pb2_grpc.HealthStub(channel)
    # The server as a whole is not ready while a model that it begins with has no live version.
    for service, status in (("diabetes", "SERVING"), ("identity", "SERVING"), ("liveness", "SERVING"), ("", "NOT_SERVING"),
                            ("vencejo.v1.PredictionService", "NOT_SERVING")):
        found = health.Check(health_pb2.HealthCheckRequest(service=service)).status
        assert found == health_pb2.HealthCheckResponse.ServingStatus.Value(status), service
    predictions = prediction_grpc.PredictionServiceStub(channel)
    assert read_predict(predictions.Predict(predict_request("diabetes", INPUTS))) == EXPECTED


@pytest.mark.parametrize("newest", ["truncated", "not_onnx"])
def test_a_good_older_version_can_still_be_asked_for(serve, tmp_path, newest):
    shutil.copytree(MODELS / "diabetes", tmp_path / "diabetes")
    shutil.copytree(FIXTURES / "broken" / newest / "1", tmp_path / "diabetes" / "2")
    predictions = prediction_grpc.PredictionServiceStub(serve(repository=tmp_path).channel())
    assert read_predict(predictions.Predict(predict_request("diabetes", INPUTS, 1))) == EXPECTED
    with pytest.raises(grpc.RpcError) as caught:
        predictions.Predict(predict_request("diabetes", INPUTS, 2))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_an_empty_repository_serves_nothing(serve, tmp_path):
    predictions = prediction_grpc.PredictionServiceStub(serve(repository=tmp_path).channel())
    with pytest.raises(grpc.RpcError) as caught:
        predictions.Predict(prediction.PredictRequest(model=prediction.ModelSelector(name="x")))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


# name, flags ({tmp}: an empty folder with a file `file`), words that the one line names: key, value, what is allowed
USAGE = [
    ("no repository", ["--repository", "{tmp}/nothing"], ["repository", "{tmp}/nothing"]),
    ("repository is a file", ["--repository", "{tmp}/file"], ["repository", "{tmp}/file"]),
    ("no port", ["--grpc", "127.0.0.1"], ["grpc", "127.0.0.1", "HOST:PORT"]),
    ("port no number", ["--grpc", "127.0.0.1:x"], ["grpc", "127.0.0.1:x", "65535"]),
    ("port too high", ["--grpc", "127.0.0.1:99999"], ["grpc", "99999", "65535"]),
    ("no shards", ["--shards", "0"], ["shards", "0", "1"]),
    ("shards in words", ["--shards", "many"], ["shards", "many", "1"]),
    ("no runtime", ["--onnxruntime", "{tmp}/nothing.so"], ["onnxruntime", "{tmp}/nothing.so"]),
    ("runtime is no library", ["--onnxruntime", "{tmp}/file"], ["onnxruntime", "{tmp}/file"]),
    ("negative age", ["--connection-age-seconds=-5"], ["connection-age-seconds", "-5"]),
    ("certificate without key", ["--tls-certificate", "{tmp}/file"], ["tls-key"]),
    ("no certificate", ["--tls-certificate", "{tmp}/nothing", "--tls-key", "{tmp}/file"],
     ["tls-certificate", "{tmp}/nothing"]),
    ("certificate is none", ["--tls-certificate", "{tmp}/file", "--tls-key", "{tmp}/file"],
     ["tls-certificate", "{tmp}/file"]),
    ("no configuration", ["--config", "{tmp}/nothing.yaml"], ["config", "{tmp}/nothing.yaml"]),
    ("a configuration without an end", ["--config", "/dev/zero"], ["config", "/dev/zero", "larger than 1048576 bytes"]),
]
CONFIGURATION = [
    ("unknown key", "repositry: here\n", ["repositry", "repository"]),
    ("wrong kind", "shards: many\n", ["shards", "many", "1"]),
    ("out of bounds", "shards: -3\n", ["shards", "-3", "1"]),
    ("no mapping", "- a\n- b\n", ["config"]),
    ("no YAML", "shards: [1\n", ["config"]),
]


def refused_at_start(flags, words):
    proper = {"--repository": str(MODELS), "--grpc": "127.0.0.1:0", "--onnxruntime": runtime()}
    given = {flag.split("=")[0] for flag in flags}
    for flag, value in proper.items():
        if flag not in given:
            flags = [flag, value, *flags]
    code, out, error = run("serve", *flags)
    assert code == 2 and out == ""
    assert len(error.splitlines()) == 1, error
    assert all(word in error for word in words), error


@pytest.mark.parametrize("name,flags,words", USAGE, ids=[row[0] for row in USAGE])
def test_a_wrong_flag_is_one_line(tmp_path, name, flags, words):
    (tmp_path / "file").write_text("nothing of use\n")
    refused_at_start([each.format(tmp=tmp_path) for each in flags], [each.format(tmp=tmp_path) for each in words])


@pytest.mark.parametrize("name,text,words", CONFIGURATION, ids=[row[0] for row in CONFIGURATION])
def test_a_wrong_configuration_is_one_line(tmp_path, name, text, words):
    path = tmp_path / "vencejo.yaml"
    path.write_text(text)
    refused_at_start(["--config", str(path)], words)


def test_an_address_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:  # without SO_REUSEPORT: nobody shares it
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, error = run("serve", "--repository", MODELS, "--onnxruntime", runtime(), "--grpc", address)
    assert code != 0 and out == "" and address in error


def test_a_pipe_that_broke_does_not_spoil_the_end(tmp_path):
    """Lines for a reader that went away are lost, and nothing else."""
    command = [binary(), "serve", "--repository", MODELS, "--grpc", "127.0.0.1:0", "--state", tmp_path / "state.json",
               "--onnxruntime", runtime(), "--metrics-page", "off"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("serving gRPC on ") for line in iter(process.stdout.readline, ""))
        process.stdout.close()
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
