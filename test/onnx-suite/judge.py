"""Compares the outputs of both runners with the expected ones, by the rules of the ONNX package's own runner.

    python3 judge.py CASES ANSWERS.json

ANSWERS.json: {"edge-infer": [answer of every case], "openvino": [...]}, in the order of CASES/cases.json. Prints for each
case {"edge-infer": words, "openvino": words, "same": bool}: null where all outputs are right, else the first thing that
is wrong; `same` says whether both runners' outputs have the same bits.
"""

import json
import os
import sys

import ml_dtypes
import numpy

NUMPY = {
    "f32": numpy.float32,
    "f16": numpy.float16,
    "bf16": ml_dtypes.bfloat16,
    "f64": numpy.float64,
    "i8": numpy.int8,
    "u8": numpy.uint8,
    "i16": numpy.int16,
    "u16": numpy.uint16,
    "i32": numpy.int32,
    "u32": numpy.uint32,
    "i64": numpy.int64,
    "u64": numpy.uint64,
    "bool": numpy.bool_,
}
# Two units in the last place of bf16: the package's runner allows them, whatever the case's tolerance.
BF16_RTOL = 2.0**-6


def array(data, entry):
    dtype = numpy.dtype(NUMPY[entry["dtype"]])
    return numpy.frombuffer(data, dtype, entry["bytes"] // dtype.itemsize, entry["offset"]).reshape(entry["shape"])


def compare(case, index, expected, found, files):
    """What is wrong with one output, or None."""
    if "missing" in found:
        return f"no output '{expected['name']}', but {found['missing']}"
    if found["shape"] != expected["shape"]:
        return f"output {index} has the shape {found['shape']}, expected {expected['shape']}"
    if found["dtype"] != expected["dtype"]:
        return f"output {index} is {found['dtype']}, expected {expected['dtype']}"
    if not case["reference"]:
        return None
    want, got = array(files[0], expected), array(files[1], found)
    rtol = case["rtol"]
    if expected["dtype"] == "bf16":
        rtol = max(rtol, BF16_RTOL)
        want, got = want.astype(numpy.float32), got.astype(numpy.float32)
    try:
        numpy.testing.assert_allclose(got, want, rtol=rtol, atol=case["atol"])
    except AssertionError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        telling = [line.rstrip(":") for line in lines if line.startswith(("Mismatched", "Max", "nan location"))]
        return f"output {index} differs: {'; '.join(telling)}" if telling else f"output {index} differs"
    return None


def verdict(case, expected_data, answer):
    if answer is None or "error" in answer:
        return None
    with open(answer["file"], "rb") as file:
        data = file.read()
    for expected_set, found_set in zip(case["sets"], answer["sets"]):
        for index, pair in enumerate(zip(expected_set["outputs"], found_set)):
            wrong = compare(case, index, *pair, (expected_data, data))
            if wrong is not None:
                return wrong
    return None


def contents(answer):
    """The outputs as they are compared bit by bit."""
    with open(answer["file"], "rb") as file:
        data = file.read()
    entries = [entry for one in answer["sets"] for entry in one]
    if any("missing" in entry for entry in entries):
        return None
    return [(entry["dtype"], entry["shape"], data[entry["offset"] :][: entry["bytes"]]) for entry in entries]


def same(answers):
    ran = [answer for answer in answers if answer is not None and "error" not in answer]
    return len(ran) == 2 and contents(ran[0]) == contents(ran[1])


def main():
    folder, answers_file = sys.argv[1:]
    numpy.seterr(all="ignore")
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    with open(answers_file, encoding="utf-8") as file:
        answers = json.load(file)
    verdicts = []
    for index, case in enumerate(cases):
        if case["notApplicable"] is not None:
            verdicts.append(None)
            continue
        with open(os.path.join(folder, case["tensors"]), "rb") as file:
            expected = file.read()
        both = {name: answers[name][index] for name in ("edge-infer", "openvino")}
        words = {name: verdict(case, expected, answer) for name, answer in both.items()}
        verdicts.append({**words, "same": same(list(both.values()))})
    json.dump(verdicts, sys.stdout)


main()
