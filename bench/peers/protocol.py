"""What every subject that runs in Python does with its peer: commands come as lines of JSON, answers go back the same way."""

import json
import resource
import sys
import time

import numpy as np

FEWEST_RUNS = 10  # however slow a subject is: fewer have no percentiles


def filled(shape, dtype):
    """Values that neither vanish nor overflow, or any byte; beyond a million of them the rest is alike."""
    real = np.issubdtype(dtype, np.floating)
    state = 1
    values = np.full(int(np.prod(shape)), 0.25 if real else 64, dtype)
    for i in range(min(values.size, 1 << 20)):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[i] = (state >> 8) / (1 << 24) - 0.5 if real else state >> 24
    return values.reshape(shape)


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


class Subject:
    """Measures what a peer does in `infer()`: one run, waited for."""

    def latency(self, ms):
        times, limit = [], time.perf_counter() + ms / 1e3
        while True:
            begin = time.perf_counter()
            self.infer()
            end = time.perf_counter()
            times.append((end - begin) * 1e6)
            if end > limit and len(times) >= FEWEST_RUNS:
                return {"times": times}

    def runs(self, over):
        made = 0
        while not over(made):
            made += 1
            self.infer()
        return made

    def throughput(self, ms):
        begin = time.perf_counter()
        made = self.runs(lambda _: time.perf_counter() > begin + ms / 1e3)
        return {"perSecond": made / (time.perf_counter() - begin)}

    def memory(self, runs):
        before = resident()
        self.runs(lambda made: made >= runs)
        return {"grownMb": resident() - before, "rssMb": resident()}


def main(load):
    """`load(file, shape, inFlight, …)` makes a Subject. `--first FILE SHAPE` makes one run and ends."""
    if len(sys.argv) > 1 and sys.argv[1] == "--first":
        load(sys.argv[2], json.loads(sys.argv[3]), 1).infer()
        print("done", flush=True)
        return
    subject = None
    for line in sys.stdin:
        options = json.loads(line)
        command = options.pop("command")
        try:
            if command == "open":
                subject = None
                subject = load(**options)
                subject.runs(lambda made: made >= 5 * options["inFlight"])
                answer = {}
            else:
                answer = getattr(subject, command)(**options)
        except Exception as error:  # the parent prints it and leaves this peer out
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
