// Takes the memory of a request's views away in every way that JavaScript has, idle and during a run, and disposes.
//   node --expose-gc transfer.cjs echo|openvino
// After each way: no crash, ERR_INVALID_TENSOR at the next run where a view is gone, length 0 after dispose, and all
// native memory given back once the garbage is collected.
'use strict';
const { MessageChannel, receiveMessageOnPort } = require('worker_threads');
const { loadEcho, loadOpenvino, native, program, settled, sleep } = require('./support.cjs');

const backend = process.argv[2] || 'echo';
const side = 256; // 256 kB a view: given back to the system when freed, so that a view of freed memory crashes

// Each takes an ArrayBuffer and returns who has its memory afterwards (or a copy of it), or throws.
const ways = {
  transfer: (buffer) => buffer.transfer(),
  'transfer to another size': (buffer) => buffer.transfer(buffer.byteLength / 2),
  'transfer to a fixed length': (buffer) => buffer.transferToFixedLength(),
  structuredClone: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  'structuredClone of the view': (buffer, view) => structuredClone(view, { transfer: [buffer] }).buffer,
  postMessage(buffer) {
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(buffer, [buffer]);
      return receiveMessageOnPort(port2).message;
    } finally {
      port1.close();
      port2.close();
    }
  },
  // A moved ArrayBuffer is an ordinary one to the runtime: it can be sent on.
  'transfer, then postMessage'(buffer) {
    return this.postMessage(buffer.transfer());
  },
};

const missing = (way) =>
  (way.startsWith('transfer') && typeof ArrayBuffer.prototype.transfer !== 'function') ||
  (way.startsWith('structuredClone') && typeof structuredClone !== 'function');

async function load() {
  return backend === 'echo'
    ? loadEcho(['delay_ms 20'], { inFlight: 2 }, side * side)
    : loadOpenvino({ rows: side, products: 20 }, { inFlight: 2 });
}

/** Touches every page, so that memory which is not there any more is noticed. */
function touch(buffer) {
  const bytes = new Uint8Array(buffer);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 1024) sum += bytes[i]++;
  return sum;
}

async function expectCode(code, work) {
  try {
    await work();
  } catch (error) {
    if (error.code === code) return;
    throw error;
  }
  throw new Error(`expected ${code}, but it worked`);
}

/** One way, one view, idle or in flight, with the transferred memory kept or dropped before dispose. */
async function check(model, way, which, inFlight, keep) {
  const request = model.createRequest();
  const tensor = which === 'input' ? request.inputs.x : request.outputs.y;
  const { data } = tensor;
  data[0] = 1;
  const run = inFlight ? request.run() : null;
  let moved = null;
  let refused = false;
  try {
    moved = ways[way](data.buffer, data);
  } catch (error) {
    if (error.name !== 'DataCloneError' && !(error instanceof TypeError)) throw error;
    refused = true;
  }
  const gone = data.length === 0;
  if (refused && gone) throw new Error('refused, but gone all the same');
  if (moved !== null) touch(moved);
  if (run !== null) await run; // native memory is the run's as long as it lasts
  if (moved !== null) touch(moved);
  if (gone) {
    await expectCode('ERR_INVALID_TENSOR', () => request.run());
    await expectCode('ERR_INVALID_TENSOR', () => request.runSync());
  } else {
    await request.run();
    request.runSync();
  }
  if (!keep) moved = null;
  gc();
  request.dispose();
  request.dispose();
  if (tensor.data.length !== 0 || data.length !== 0) throw new Error('a view is left after dispose');
  if (request.inputs.x.data.length !== 0 || request.outputs.y.data.length !== 0)
    throw new Error('another view is left');
  await expectCode('ERR_DISPOSED', () => request.run());
  gc();
  await sleep(2);
  if (moved !== null) touch(moved);
  return refused ? 'refused' : gone ? 'moved' : 'copied';
}

/** Disposed during a run: the views go at once, the memory when the run has ended. */
async function disposeInFlight(model) {
  const request = model.createRequest();
  const run = request.run();
  const { data } = request.inputs.x;
  request.dispose();
  if (data.length !== 0) throw new Error('a view is left after dispose');
  gc();
  if (native().process().bytesHeld === 0) throw new Error('memory went during the run');
  await run;
}

/** Every way, with a model that is gone when this returns. */
async function everyWay() {
  const model = await load();
  const outcomes = {};
  for (const way of Object.keys(ways)) {
    if (missing(way)) {
      outcomes[way] = 'not here';
      continue;
    }
    for (const which of ['input', 'output']) {
      for (const inFlight of [false, true]) {
        for (const keep of [false, true]) outcomes[way] = await check(model, way, which, inFlight, keep);
      }
    }
  }
  await disposeInFlight(model);
  // With the model alive: what is disposed and collected has given its memory back.
  await settled({ requests: 0, bytesHeld: 0 });
  await model.dispose();
  return outcomes;
}

program(async () => ({ outcomes: await everyWay(), counts: await settled() }));
