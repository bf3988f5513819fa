"""Writes every case of the ONNX backend suite to a folder: its model, inputs and expected outputs as raw bytes.

    python3 write_cases.py FOLDER

FOLDER/cases.json lists the cases: {"onnx": version, "cases": [{"group", "name", "rtol", "atol", "reference", "model",
"tensors", "sets": [{"inputs": [tensor], "outputs": [tensor]}], "notApplicable"}]}, each tensor {"name", "dtype",
"shape", "offset", "bytes"} in the case's file of tensors. `reference` is false where the package's outputs are no
oracle: those of the light models are constants, those of random operators NumPy's. Groups and tolerances are the
package's.
"""

import glob
import json
import os
import sys

import numpy
import onnx
import onnx.backend.test
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

# The element types that cross the API, by the names that it gives them.
DTYPES = {
    TensorProto.FLOAT: "f32",
    TensorProto.FLOAT16: "f16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "f64",
    TensorProto.INT8: "i8",
    TensorProto.UINT8: "u8",
    TensorProto.INT16: "i16",
    TensorProto.UINT16: "u16",
    TensorProto.INT32: "i32",
    TensorProto.UINT32: "u32",
    TensorProto.INT64: "i64",
    TensorProto.UINT64: "u64",
    TensorProto.BOOL: "bool",
}
# Operators whose values are anybody's choice.
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
ALIGNMENT = 64


def fed_inputs(graph):
    """The inputs that a caller gives: models of old IR versions list their weights among the inputs."""
    weights = {one.name for one in graph.initializer}
    return [one for one in graph.input if one.name not in weights]


def not_applicable(graph):
    """Why no tensor of the API carries an input or an output of the model, or None."""
    for value in [*fed_inputs(graph), *graph.output]:
        kind = value.type.WhichOneof("value")
        if kind == "optional_type":
            return "optional"
        if kind != "tensor_type":
            return (kind or "unknown").replace("_type", "")
        if value.type.tensor_type.elem_type not in DTYPES:
            return TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return None


def disk_sets(folder):
    """The data sets of a case on disk, as lists of TensorProto."""

    def read(file):
        tensor = TensorProto()
        with open(file, "rb") as stream:
            tensor.ParseFromString(stream.read())
        return tensor

    def numbered(data_set, what):
        count = len(glob.glob(os.path.join(data_set, f"{what}_*.pb")))
        return [read(os.path.join(data_set, f"{what}_{i}.pb")) for i in range(count)]

    return [
        (numbered(one, "input"), numbered(one, "output"))
        for one in sorted(glob.glob(os.path.join(folder, "test_data_set_*")))
    ]


def light_cases():
    """The light models: networks whose weights are generated, with inputs made here."""
    data = os.path.join(os.path.dirname(onnx.backend.test.__file__), "data", "light")
    for file in sorted(glob.glob(os.path.join(data, "*.onnx"))):
        model = onnx.load(file)
        generator = numpy.random.default_rng(1)
        inputs = [
            generator.random([max(1, dim.dim_value) for dim in one.type.tensor_type.shape.dim], numpy.float32)
            for one in fed_inputs(model.graph)
        ]
        output = TensorProto()
        with open(file.replace(".onnx", "_output_0.pb"), "rb") as stream:
            output.ParseFromString(stream.read())
        name = os.path.basename(file)[: -len(".onnx")]
        yield "light", name, model, [(inputs, [output])], 1e-3, 1e-7


def suite():
    for kind in ("simple", "pytorch-operator", "pytorch-converted"):
        for case in sorted(load_model_tests(kind=kind), key=lambda one: one.name):
            model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
            sets = None if not_applicable(model.graph) else disk_sets(case.model_dir)
            yield kind, case.name, model, sets, case.rtol, case.atol
    for case in sorted(collect_testcases(None), key=lambda one: one.name):
        yield "node", case.name, case.model, case.data_sets, case.rtol, case.atol
    yield from light_cases()


class Tensors:
    """The file of a case's tensors."""

    def __init__(self):
        self.data = bytearray()

    def add(self, value, info):
        array = numpy_helper.to_array(value) if isinstance(value, TensorProto) else numpy.asarray(value)
        dtype = DTYPES[info.type.tensor_type.elem_type]
        found = DTYPES[onnx.helper.np_dtype_to_tensor_dtype(array.dtype)]
        if found != dtype:
            raise ValueError(f"{info.name} is {dtype} in the model and {found} in the data")
        raw = array.tobytes()
        self.data.extend(bytes(-len(self.data) % ALIGNMENT))
        entry = {"name": info.name, "dtype": dtype, "shape": list(array.shape)}
        entry.update(offset=len(self.data), bytes=len(raw))
        self.data.extend(raw)
        return entry


def write(folder, group, name, model, sets, rtol, atol):
    directory = os.path.join(group, name)
    os.makedirs(os.path.join(folder, directory), exist_ok=True)
    random = any(node.op_type in RANDOM for node in model.graph.node)
    case = {"group": group, "name": name, "rtol": rtol, "atol": atol, "reference": group != "light" and not random}
    case["model"] = os.path.join(directory, "model.onnx")
    with open(os.path.join(folder, case["model"]), "wb") as file:
        file.write(model.SerializeToString())
    case["notApplicable"] = not_applicable(model.graph)
    case["sets"] = []
    if case["notApplicable"] is None:
        tensors = Tensors()
        inputs, outputs = fed_inputs(model.graph), list(model.graph.output)
        for given, expected in sets:
            if len(given) > len(inputs) or len(expected) > len(outputs):
                raise ValueError(f"{name}: more data than the model has inputs or outputs")
            case["sets"].append(
                {
                    "inputs": [tensors.add(*pair) for pair in zip(given, inputs)],
                    "outputs": [tensors.add(*pair) for pair in zip(expected, outputs)],
                }
            )
        if not case["sets"]:
            raise ValueError(f"{name}: no data")
        case["tensors"] = os.path.join(directory, "tensors.bin")
        with open(os.path.join(folder, case["tensors"]), "wb") as file:
            file.write(tensors.data)
    return case


def main():
    (folder,) = sys.argv[1:]
    numpy.seterr(all="ignore")  # the package computes overflows and divisions by zero on purpose
    cases = [write(folder, *one) for one in suite()]
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        json.dump({"onnx": onnx.__version__, "cases": cases}, file)


main()
