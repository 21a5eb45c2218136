"""Whether rows of a batch are what each call alone gives: by running ONNX Runtime both ways, and with no word of the server's."""
import numpy as np
import onnxruntime
from onnx import TensorProto

KINDS = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16,
         TensorProto.INT64: np.int64, TensorProto.INT32: np.int32, TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8,
         TensorProto.BOOL: np.bool_, TensorProto.STRING: object}
WORDS = ["the", "parcel", "has", "not", "arrived", "refund", "my", "invoice", "#", "", "x y", "Ä ü"]
#: Rounding of sums, against the largest number of the tensor: as wide as the server's table is.
BOUND = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-3, np.dtype(np.float16): 2e-2}


def aligned(array):
    """The same array where a vector begins: the runtime's bits depend on that."""
    if array.dtype == object:
        return array
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    made = room[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def session(content):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def values(kind, shape, dice, whole=4):
    """Numbers of mixed scales, with NaN, infinities and zeros among them; whole ones from 0 to `whole` - 1."""
    if kind is object:
        texts = [" ".join(dice.choice(WORDS, dice.integers(0, 5))) for _ in range(int(np.prod(shape)))]
        return np.array(texts, object).reshape(shape)
    if np.issubdtype(kind, np.integer):
        return dice.integers(0, whole, shape).astype(kind)
    if kind is np.bool_:
        return dice.integers(0, 2, shape).astype(bool)
    numbers = dice.standard_normal(shape) * 10.0 ** dice.integers(-3, 4)
    if dice.random() < 0.3:
        odd = dice.random(shape) < 0.2
        numbers = np.where(odd, dice.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, 1e-30], shape), numbers)
    return numbers.astype(kind)


def calls(inputs, dice, count, whole=4):
    """Inputs of `count` calls, of one to three rows each; `inputs`: {name: (type, shape without rows)}."""
    made = []
    for _ in range(count):
        rows = int(dice.integers(1, 4))
        made.append({name: values(KINDS[kind], (rows, *shape), dice, whole) for name, (kind, shape) in inputs.items()})
    return made


def same(one, other, is_jump=False):
    """`one` and `other` are the same rows: whole numbers, texts and places of NaN equal, other numbers within BOUND."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if is_jump:
        return True
    if one.dtype not in BOUND:
        return bool((one == other).all())
    if (np.isnan(one) != np.isnan(other)).any():
        return False
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    bound, (one, other) = BOUND[one.dtype], (each[finite].astype(np.float64) for each in (one, other))
    return one.size == 0 or bool((abs(one - other) <= bound * abs(one).max() + 1e-300).all())


def differences(content, inputs, dice, rounds=3, jumps=(), whole=4):
    """Runs calls alone and together. Gives a sentence for each output that differs; None: the model refused the inputs."""
    runs = session(content)
    names = [output.name for output in runs.get_outputs()]
    found, is_any = [], False
    for _ in range(rounds):
        asked = calls(inputs, dice, int(dice.integers(2, 6)), whole)
        try:
            alone = [runs.run(names, each) for each in asked]
            together = runs.run(names, {name: np.concatenate([each[name] for each in asked]) for name in inputs})
        except Exception as error:  # the runtime's own classes have no common base
            if "onnxruntime" not in type(error).__module__:
                raise
            continue
        is_any = True
        rows = [len(next(iter(each.values()))) for each in asked]
        for position, name in enumerate(names):
            whole_output = together[position]
            if whole_output.ndim == 0 or len(whole_output) != sum(rows):
                found.append(f"{name} has shape {whole_output.shape} for {sum(rows)} rows")
                continue
            for own, part in zip(alone, np.split(whole_output, np.cumsum(rows)[:-1])):
                if not same(own[position], part, name in jumps):
                    found.append(f"{name}: {own[position].ravel()[:6]} alone, {part.ravel()[:6]} together")
    return found if is_any else None
