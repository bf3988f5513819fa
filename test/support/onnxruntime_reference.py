"""Runs an ONNX model with Python's onnxruntime on raw input files: the reference that outputs are compared with.

    python3 onnxruntime_reference.py MODEL SPEC.json

SPEC.json as in reference_files.py, and "feedback": {INPUT: OUTPUT}: an input that a run does not give is the output that
`feedback` names, of the run before.
"""

import json
import sys

import onnxruntime

from reference_files import read_tensor, write_outputs


def main() -> None:
    model, spec_file = sys.argv[1:]
    with open(spec_file, encoding="utf-8") as file:
        spec = json.load(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    results = []
    values = {}
    for run in spec["runs"]:
        feeds = {name: values[output] for name, output in spec["feedback"].items() if output in values}
        for one in run["inputs"]:
            feeds[one["name"]] = read_tensor(one)
        values = dict(zip(names, session.run(None, feeds)))
        results.append(write_outputs(run["outputs"], values))
    print(json.dumps(results))


main()
