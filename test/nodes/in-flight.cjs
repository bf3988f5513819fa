// Run by scripts/nodes-test.mjs: ends the process in the way that argv names while runs are in flight.
//   node in-flight.cjs exit|uncaught|sigterm|worker echo|MODEL.xml
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { loadModel } = require('edge-infer');

const [way, file] = isMainThread ? process.argv.slice(2) : ['worker', workerData];
const echo = new TextEncoder().encode('echo 1\ninput x f32 1,4\noutput y = identity x\ndelay_ms 3000\n');

async function start() {
  const source = file === 'echo' ? [echo, { device: 'echo', format: 'echo' }] : [file, { device: 'openvino:cpu' }];
  const model = await loadModel(source[0], { ...source[1], inFlight: 2 });
  const again = () => void model.run({ x: Float32Array.of(1, 2, 3, 4) }).then(again, () => undefined);
  for (let i = 0; i < 4; i++) again();
  await new Promise((resolve) => setTimeout(resolve, 50));
}

async function terminateWorkers() {
  for (let round = 0; round < 10; round++) {
    const workers = [1, 2, 3, 4].map(() => new Worker(__filename, { workerData: file }));
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
            worker.once('exit', () => reject(new Error('a worker ended before it ran anything')));
          }),
      ),
    );
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

(async () => {
  if (!isMainThread) {
    await start();
    parentPort.postMessage('running');
    return;
  }
  if (way === 'worker') return terminateWorkers();
  await start();
  if (way === 'exit') process.exit(7);
  if (way === 'uncaught')
    setTimeout(() => {
      throw new Error('meant');
    }, 1);
  if (way === 'sigterm') process.kill(process.pid, 'SIGTERM');
})().catch((error) => {
  console.error(error);
  process.exit(99);
});
