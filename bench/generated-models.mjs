// The two models that the benchmark makes itself: one Add, and the 50-layer bottleneck network with random weights.
import { IrWriter, randomNumbers } from './ir.mjs';

/** y = x + 1 on 16 values: what is measured with it is everything but the computation. */
export function writeNearEmpty(path) {
  const ir = new IrWriter(path);
  const x = ir.parameter('x', [1, 16]);
  const one = ir.constant([1], () => 1);
  ir.finish(ir.layer('Add', { auto_broadcast: 'numpy' }, [x, one], [1, 16], 'y'));
}

/**
 * ResNet-50 v1.5 as it is deployed (batch normalisation folded into convolution and bias), 25.5 M weights.
 * Topology: He et al., "Deep Residual Learning for Image Recognition", table 1; stride on the 3×3 convolution.
 */
export function writeResnet50(path, seed = 50) {
  const ir = new IrWriter(path);
  const random = randomNumbers(seed);
  // He initialisation keeps activations in range; the last convolution of a block is weaker, or sums would grow.
  const weights = (shape, fanIn, gain) => {
    const scale = gain * Math.sqrt(6 / fanIn);
    return ir.constant(shape, () => random() * scale);
  };
  const bias = (value, channels, shape) =>
    ir.layer(
      'Add',
      { auto_broadcast: 'numpy' },
      [value, ir.constant([1, channels, 1, 1], () => random() * 0.01)],
      shape,
    );
  const relu = (value) => ir.layer('ReLU', null, [value], value.shape);

  function convolution(value, channels, kernel, stride, gain = 1) {
    const [, inputs, height, width] = value.shape;
    const pad = (kernel - 1) / 2;
    const size = (extent) => Math.floor((extent + 2 * pad - kernel) / stride) + 1;
    const shape = [1, channels, size(height), size(width)];
    const attributes = {
      strides: `${stride},${stride}`,
      dilations: '1,1',
      pads_begin: `${pad},${pad}`,
      pads_end: `${pad},${pad}`,
      auto_pad: 'explicit',
    };
    const kernelWeights = weights([channels, inputs, kernel, kernel], inputs * kernel * kernel, gain);
    return bias(ir.layer('Convolution', attributes, [value, kernelWeights], shape), channels, shape);
  }

  function bottleneck(value, width, stride) {
    const channels = 4 * width;
    const shortcut = value.shape[1] === channels ? value : convolution(value, channels, 1, stride);
    let branch = relu(convolution(value, width, 1, 1));
    branch = relu(convolution(branch, width, 3, stride));
    branch = convolution(branch, channels, 1, 1, 0.2);
    return relu(ir.layer('Add', { auto_broadcast: 'numpy' }, [branch, shortcut], branch.shape));
  }

  let value = relu(convolution(ir.parameter('x', [1, 3, 224, 224]), 64, 7, 2));
  const pool = { strides: '2,2', pads_begin: '1,1', pads_end: '1,1', kernel: '3,3' };
  value = ir.layer('MaxPool', { ...pool, rounding_type: 'floor', auto_pad: 'explicit' }, [value], [1, 64, 56, 56]);
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    for (let block = 0; block < blocks; block++) {
      value = bottleneck(value, 64 << stage, stage > 0 && block === 0 ? 2 : 1);
    }
  }
  value = ir.layer('ReduceMean', { keep_dims: 'false' }, [value, ir.integers([2, 3])], [1, 2048]);
  const classes = weights([1000, 2048], 2048, 0.5);
  value = ir.layer('MatMul', { transpose_a: 'false', transpose_b: 'true' }, [value, classes], [1, 1000]);
  const offsets = ir.constant([1, 1000], () => random() * 0.01);
  ir.finish(ir.layer('Add', { auto_broadcast: 'numpy' }, [value, offsets], [1, 1000], 'y'));
}
