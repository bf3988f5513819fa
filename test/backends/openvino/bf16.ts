/** Tests that take a CPU that executes bf16: elsewhere they are skipped, as test/skips.json says. */
import { root } from '../../support/child.js';
import { textOf } from '../../support/python.js';

/** What OpenVINO says that its CPU executes. jest collects tests without waiting, so a process of its own asks. */
function cpuPrecisions(): string[] {
  const program = `require(${JSON.stringify(root)}).listBackends().then((backends) => {
    const cpu = backends.flatMap(({ devices }) => devices).find(({ id }) => id === 'openvino:cpu');
    console.log(JSON.stringify(cpu?.capabilities.precisions ?? []));
  })`;
  return JSON.parse(textOf(process.execPath, ['-e', program])) as string[];
}

export const describeBf16 = cpuPrecisions().includes('bf16') ? describe : describe.skip;

export const inBf16 = { requested: 'bf16', actual: 'bf16' } as const;
