"""How reference programs get their tensors and give theirs back: raw little-endian files that a JSON file names.

SPEC.json: {"runs": [{"inputs": [{"name", "dtype", "shape", "file"}], "outputs": "FOLDER"}], ...}. A program writes
FOLDER/<index>.raw for each output of the model and prints [[{"name", "dtype", "shape", "file"}, ...], ...] as JSON, one
list a run.
"""

import os

import numpy

DTYPES = {"f32": "<f4", "i64": "<i8", "i32": "<i4", "i8": "<i1", "u8": "<u1"}


def read_tensor(one: dict) -> numpy.ndarray:
    return numpy.fromfile(one["file"], dtype=DTYPES[one["dtype"]]).reshape(one["shape"])


def write_outputs(folder: str, values: dict) -> list:
    """The arrays by name, written in this order, as the list that a run prints."""
    os.makedirs(folder, exist_ok=True)
    outputs = []
    for index, (name, value) in enumerate(values.items()):
        dtype = next((ours for ours, theirs in DTYPES.items() if value.dtype == numpy.dtype(theirs)), None)
        if dtype is None:
            raise TypeError(f"the output {name} is {value.dtype}")
        path = os.path.join(folder, f"{index}.raw")
        numpy.ascontiguousarray(value, dtype=DTYPES[dtype]).tofile(path)
        outputs.append({"name": name, "dtype": dtype, "shape": list(value.shape), "file": path})
    return outputs
