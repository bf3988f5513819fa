/**
 * TFLite 2.9, the oldest that is supported: it has no custom allocations, no cancel and no profiler. `npm run
 * test:versions` runs this on it.
 */
import { listBackends, loadModel } from '../../lib/index.js';
import { conformance } from '../backends/conformance.js';
import { interruptible, tfliteBackend } from '../backends/tflite-models.js';
import { dtypes } from '../support/values.js';
import { addTflite, slowTflite } from '../support/tflite-graphs.js';
import { rejection } from '../support/wait.js';

// Its kernels do not know bf16.
const known = dtypes.filter((dtype) => dtype !== 'bf16');

// Its convolution is several times as fast as today's.
const slow = () => interruptible(slowTflite(300, 256));
const long = () => interruptible(slowTflite(3000, 256));
const models = { ...tfliteBackend.models, slow, long };

describe('tflite:cpu', () => conformance({ ...tfliteBackend, models, inPlace: false, dtypes: known }));

it('is 2.9, and says what it cannot do', async () => {
  const tflite = (await listBackends()).find(({ name }) => name === 'tflite')!;
  expect(tflite.version).toMatch(/^2\.9\./);
  expect(tflite.devices[0]!.capabilities.cancellable).toBe(false);
  const refused = loadModel(addTflite(1, [1]), { device: 'tflite:cpu', profile: true });
  expect(await rejection(refused)).toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringMatching(/^This TFLite \(2\.9\.\d+\) does not measure its layers\.$/) as string,
  });
});
