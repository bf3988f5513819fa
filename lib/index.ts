/** Neural networks on edge accelerators: the public API. */
export { listBackends } from './backends.js';
export { InferenceError } from './errors.js';
export { events } from './events.js';
export { fromBf16, fromF16, toBf16, toF16 } from './half.js';
export { loadModel } from './load.js';
export { Model, timingsOf } from './model.js';
export { sensitiveOperators } from './onnx/operators.js';
export { convertPrecision } from './onnx/precision.js';
export { loadPipeline, Pipeline } from './pipeline.js';
export { dequantize, quantize } from './quantize.js';
export { InferenceRequest } from './request.js';
export { boardTelemetry } from './telemetry/board.js';
export { checkEdgeTpuModel } from './tflite/edgetpu.js';
export { inspectTflite, readPackedFile } from './tflite/inspect.js';
export { version } from './version.js';
export type { ListOptions } from './backends.js';
export type { ErrorCode, ErrorDetails } from './errors.js';
export type { EdgeInferEvents } from './events.js';
export type { ConvertedModel, KeptNode, PrecisionOptions, PrecisionReport } from './onnx/precision.js';
export type { PipelineOptions, Segment, SegmentStatus } from './pipeline.js';
export type { QuantizeOptions, QuantizedArrays, QuantizedDtype } from './quantize.js';
export type {
  BoardTelemetry,
  BoardTemperature,
  EdgeTpuTelemetry,
  GpuTelemetry,
  PowerMode,
  PowerRail,
  TelemetryOptions,
  UnreadableSensor,
} from './telemetry/types.js';
export type {
  EdgeTpuExecutable,
  EdgeTpuLayer,
  EdgeTpuPackage,
  PackedFile,
  TfliteGraph,
  TfliteInfo,
  TfliteMetadata,
  TfliteOperator,
  TfliteSignature,
  TfliteSignaturePort,
  TfliteTensor,
} from './tflite/types.js';
export type {
  AdvancedOptions,
  BackendInfo,
  CalibrationBatch,
  CalibrationOptions,
  Capabilities,
  DeviceEvent,
  DeviceInfo,
  DeviceStatus,
  DeviceTimings,
  Dispatch,
  DroppedFrame,
  Dtype,
  FailoverEvent,
  FailoverOptions,
  Histogram,
  HostStatus,
  Inputs,
  InputValue,
  IsolateOptions,
  LayerInfo,
  LayerTime,
  LoadOptions,
  LoadProgress,
  LogEvent,
  ModelFile,
  ModelInfo,
  ModelSource,
  Outputs,
  Overload,
  Precision,
  Quantization,
  RunOptions,
  SearchedPlace,
  Shape,
  Statistics,
  StreamOptions,
  StreamResult,
  Tensor,
  TensorData,
  TensorSpec,
  Timings,
} from './types.js';
