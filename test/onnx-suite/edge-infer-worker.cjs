// Runs cases of the ONNX suite through the public API, one a line on stdin: see scripts/disposable-workers.mjs.
//   node edge-infer-worker.cjs CASES OUTPUTS DEVICE
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { loadModel } = require('../../dist/index.js');

const [cases, results, device] = process.argv.slice(2);

const arrays = {
  ...{ f32: Float32Array, f16: Uint16Array, bf16: Uint16Array, f64: Float64Array, i8: Int8Array, u8: Uint8Array },
  ...{ i16: Int16Array, u16: Uint16Array, i32: Int32Array, u32: Uint32Array, i64: BigInt64Array },
  ...{ u64: BigUint64Array, bool: Uint8Array },
};

function tensor(bytes, { dtype, shape, offset, bytes: size }) {
  const own = Uint8Array.from(bytes.subarray(offset, offset + size));
  return { data: new arrays[dtype](own.buffer), shape };
}

/**
 * The values of the inputs that the loaded model has. OpenVINO's reader gives some inputs another name (then all are fed
 * in their order), and leaves some out, whose values do not matter: `CastLike` looks only at the type of its second one.
 */
function feedsOf(model, inputs, bytes) {
  const inOrder = model.inputs.length === inputs.length;
  const feeds = model.inputs.map(({ name }, index) => {
    const input = inputs.find((one) => one.name === name) ?? (inOrder ? inputs[index] : undefined);
    return input === undefined ? [] : [[name, tensor(bytes, input)]];
  });
  return Object.fromEntries(feeds.flat());
}

async function runSets(model, one) {
  const bytes = fs.readFileSync(path.join(cases, one.tensors));
  const sets = [];
  const chunks = [];
  let offset = 0;
  for (const { inputs, outputs: expected } of one.sets) {
    const outputs = await model.run(feedsOf(model, inputs, bytes));
    sets.push(
      expected.map(({ name }) => {
        const output = outputs[name];
        if (output === undefined) return { missing: Object.keys(outputs).join(', ') };
        const { dtype, shape, data } = output;
        chunks.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        offset += data.byteLength;
        return { dtype, shape, offset: offset - data.byteLength, bytes: data.byteLength };
      }),
    );
  }
  const file = path.join(results, `${one.group}.${one.name}.bin`);
  fs.writeFileSync(file, Buffer.concat(chunks));
  return { file, sets };
}

async function run(one) {
  let model = null;
  try {
    model = await loadModel(path.join(cases, one.model), { device });
    return { sdk: model.info.versions.sdk, ...(one.notApplicable === null ? await runSets(model, one) : {}) };
  } catch (error) {
    const words = [error.message, error.cause?.message ?? error.cause].filter(Boolean).map(String);
    return { error: { code: error.name === 'InferenceError' ? error.code : 'untyped', words } };
  } finally {
    await model?.dispose();
  }
}

async function main() {
  const answers = fs.createWriteStream(null, { fd: 3 });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    answers.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
  }
}

void main();
