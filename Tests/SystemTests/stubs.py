"""Python's generated stubs for our protocols, made from proto/ when this module is first imported.

Health and reflection come from grpcio's own packages, and tritonclient runs in a process of its own
(triton_client.py): each brings messages of a package that is also in proto/, and one process knows each name once.
"""
import atexit
import importlib
import pathlib
import shutil
import sys
import tempfile

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN = ("vencejo/v1/prediction.proto", "vencejo/v1/control.proto", "inference/inference.proto")

_folder = tempfile.mkdtemp(prefix="vencejo-stubs-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={_folder}", f"--grpc_python_out={_folder}", *OWN])
assert _code == 0, "protoc refused proto/"
sys.path.insert(0, _folder)

prediction = importlib.import_module("vencejo.v1.prediction_pb2")
prediction_grpc = importlib.import_module("vencejo.v1.prediction_pb2_grpc")
control = importlib.import_module("vencejo.v1.control_pb2")
control_grpc = importlib.import_module("vencejo.v1.control_pb2_grpc")
inference = importlib.import_module("inference.inference_pb2")
inference_grpc = importlib.import_module("inference.inference_pb2_grpc")
