"""vencejo import as a process, with the runtime that the tests use."""
from command_line import DONE, command
from server import runtime


def do(*arguments):
    code, out, err = command("import", *arguments, VENCEJO_ONNXRUNTIME=runtime())
    assert code == DONE, err
    return out


def refused(code, words, *arguments, onnxruntime=None):
    got, out, err = command("import", *arguments, VENCEJO_ONNXRUNTIME=onnxruntime or runtime())
    assert (got, out) == (code, "") and words in err, err
    return err
