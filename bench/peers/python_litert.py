"""Python ai-edge-litert's side of the comparison: invoke() on the interpreter, with XNNPACK, which is its default."""

from ai_edge_litert.interpreter import Interpreter

import protocol


class LiteRt(protocol.Subject):
    def __init__(self, file, shape, inFlight, threads):
        self.interpreter = Interpreter(model_path=file, num_threads=threads)
        self.interpreter.allocate_tensors()
        [first] = self.interpreter.get_input_details()
        self.interpreter.set_tensor(first["index"], protocol.filled(first["shape"], first["dtype"]))

    def infer(self):
        self.interpreter.invoke()


protocol.main(LiteRt)
