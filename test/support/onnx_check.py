"""Checks ONNX models, writes those of its operators' tests, or prints which operators take f16 and bf16.

    python3 onnx_check.py check MODEL...
    python3 onnx_check.py operators DIR
    python3 onnx_check.py schemas

`check` prints a JSON list with the complaint about each model, or null. `operators` writes the models of the package's tests
of single operators, those that it has no complaint about, and prints their files as a JSON list. `schemas` prints JSON: for every operator of the
default domain that takes or gives f32, and every operator set that changed it, per input and output the name of its type
and which of f32, f16 and bf16 that may be.
"""

import json
import os
import sys
import warnings

import onnx


def complaint(file: str) -> str | None:
    try:
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:  # each of its errors is an answer
        return str(error)
    return None


def operators(folder: str) -> list[str]:
    from onnx.backend.test.case.node import collect_testcases  # slow, and wants pillow

    warnings.simplefilter("ignore")  # about values that the package makes on purpose
    files = []
    for case in collect_testcases(None):
        if case.model is None:
            continue
        file = os.path.join(folder, f"{case.name}.onnx")
        onnx.save(case.model, file)
        if complaint(file) is None:
            files.append(file)
    return files


def port(schema: onnx.defs.OpSchema, formal: onnx.defs.OpSchema.FormalParameter) -> dict:
    allowed = {formal.type_str}
    for constraint in schema.type_constraints:
        if constraint.type_param_str == formal.type_str:
            allowed = set(constraint.allowed_type_strs)
    types = {"f32": "tensor(float)", "f16": "tensor(float16)", "bf16": "tensor(bfloat16)"}
    return {"type": formal.type_str, "allows": [name for name, text in types.items() if text in allowed]}


def schemas() -> list[dict]:
    return [
        {
            "name": schema.name,
            "since": schema.since_version,
            "inputs": [port(schema, one) for one in schema.inputs],
            "outputs": [port(schema, one) for one in schema.outputs],
        }
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == "" and not schema.deprecated
    ]


def main() -> None:
    command, *files = sys.argv[1:]
    if command == "schemas":
        result = schemas()
    elif command == "operators":
        result = operators(files[0])
    else:
        result = [complaint(file) for file in files]
    json.dump(result, sys.stdout)


main()
