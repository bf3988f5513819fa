"""Runs cases of the ONNX suite with Python's OpenVINO, one a line on stdin: see scripts/disposable-workers.mjs.

    python3 openvino_worker.py CASES OUTPUTS

The same device and precision as the runs through the API: CPU, f32.
"""

import json
import os
import sys

import numpy
import openvino

TYPES = {
    "f32": openvino.Type.f32,
    "f16": openvino.Type.f16,
    "bf16": openvino.Type.bf16,
    "f64": openvino.Type.f64,
    "i8": openvino.Type.i8,
    "u8": openvino.Type.u8,
    "i16": openvino.Type.i16,
    "u16": openvino.Type.u16,
    "i32": openvino.Type.i32,
    "u32": openvino.Type.u32,
    "i64": openvino.Type.i64,
    "u64": openvino.Type.u64,
    "bool": openvino.Type.boolean,
}


def dtype_of(element_type):
    return next((name for name, one in TYPES.items() if one == element_type), str(element_type))


def tensor(data, entry):
    made = openvino.Tensor(TYPES[entry["dtype"]], openvino.Shape(entry["shape"]))
    raw = numpy.frombuffer(data, numpy.uint8, entry["bytes"], entry["offset"])
    if entry["bytes"] > 0:
        made.data.reshape(-1).view(numpy.uint8)[:] = raw
    return made


def feeds_of(compiled, inputs, data):
    """The values of the inputs that the loaded model has, chosen as edge-infer-worker.cjs does."""
    in_order = len(compiled.inputs) == len(inputs)
    feeds = {}
    for index, port in enumerate(compiled.inputs):
        named = [entry for entry in inputs if entry["name"] in port.get_names()]
        if named or in_order:
            feeds[index] = tensor(data, named[0] if named else inputs[index])
    return feeds


def run_sets(compiled, case, folder, results):
    with open(os.path.join(folder, case["tensors"]), "rb") as file:
        data = file.read()
    sets, written = [], bytearray()
    for one in case["sets"]:
        request = compiled.create_infer_request()
        request.infer(feeds_of(compiled, one["inputs"], data))
        outputs = []
        for index in range(len(one["outputs"])):
            output = request.get_output_tensor(index)
            raw = numpy.ascontiguousarray(output.data).tobytes()
            entry = {"dtype": dtype_of(output.element_type), "shape": list(output.shape)}
            outputs.append({**entry, "offset": len(written), "bytes": len(raw)})
            written.extend(raw)
        sets.append(outputs)
    file = os.path.join(results, f"{case['group']}.{case['name']}.bin")
    with open(file, "wb") as stream:
        stream.write(written)
    return {"file": file, "sets": sets}


def run(core, case, folder, results):
    try:
        model = core.read_model(os.path.join(folder, case["model"]))
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return {"sdk": openvino.get_version(), **run_sets(compiled, case, folder, results)}
    except Exception as error:  # whatever it is, it is this case's result
        return {"error": {"code": type(error).__name__, "words": [str(error)]}}


def main():
    folder, results = sys.argv[1:]
    core = openvino.Core()
    with os.fdopen(3, "w", encoding="utf-8") as answers:
        for line in sys.stdin:
            answers.write(json.dumps(run(core, json.loads(line), folder, results)) + "\n")
            answers.flush()


main()
