"""Python OpenVINO's side of the comparison: infer() one at a time, AsyncInferQueue for several in flight."""

import openvino

import protocol


class OpenVino(protocol.Subject):
    def __init__(self, file, shape, inFlight):
        core = openvino.Core()
        model = core.read_model(file)
        if shape:
            model.reshape(shape)
        many = inFlight > 1
        self.compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": 2,
                "NUM_STREAMS": 2 if many else 1,
                "PERFORMANCE_HINT": "THROUGHPUT" if many else "LATENCY",
            },
        )
        port = self.compiled.input(0)
        values = protocol.filled(list(port.shape), port.element_type.to_dtype())
        self.request = self.compiled.create_infer_request()
        self.request.set_input_tensor(openvino.Tensor(values))
        self.queue = openvino.AsyncInferQueue(self.compiled, inFlight) if many else None
        if self.queue is not None:
            for request in self.queue:
                request.set_input_tensor(openvino.Tensor(values.copy()))

    def infer(self):
        self.request.infer()

    def runs(self, over):
        if self.queue is None:
            return super().runs(over)
        made = 0
        while not over(made):
            made += 1
            self.queue.start_async()
        self.queue.wait_all()
        return made


protocol.main(OpenVino)
