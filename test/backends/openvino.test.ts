/** The OpenVINO backend on the CPU: the conformance suite. What is OpenVINO's own is tested in test/backends/openvino/. */
import { conformance } from './conformance.js';
import { openvinoBackend } from './openvino-models.js';

describe('openvino:cpu', () => conformance(openvinoBackend));
