"""Runs a TFLite model with Google's ai-edge-litert on raw input files: the reference that outputs are compared with.

    python3 litert_reference.py MODEL SPEC.json

SPEC.json as in reference_files.py, and "kernels": "xnnpack" (the interpreter's default) or "builtin"; "threads": N.
"""

import json
import sys

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from reference_files import read_tensor, write_outputs

RESOLVERS = {"xnnpack": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def main() -> None:
    model, spec_file = sys.argv[1:]
    with open(spec_file, encoding="utf-8") as file:
        spec = json.load(file)
    interpreter = Interpreter(
        model, experimental_op_resolver_type=RESOLVERS[spec["kernels"]], num_threads=spec["threads"]
    )
    interpreter.allocate_tensors()
    inputs = {port["name"]: port["index"] for port in interpreter.get_input_details()}
    outputs = {port["name"]: port["index"] for port in interpreter.get_output_details()}
    results = []
    for run in spec["runs"]:
        for one in run["inputs"]:
            interpreter.set_tensor(inputs[one["name"]], read_tensor(one))
        interpreter.invoke()
        values = {name: interpreter.get_tensor(index) for name, index in outputs.items()}
        results.append(write_outputs(run["outputs"], values))
    print(json.dumps(results))


main()
