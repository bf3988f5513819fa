/** Pipelines of echo models, disposed of after each test. */
import {
  loadPipeline,
  type Model,
  type Pipeline,
  type PipelineOptions,
  type Segment,
  type SegmentStatus,
} from '../../lib/index.js';
import { native } from '../../lib/native.js';
import { echo, echoPlusOne, loadEcho } from './echo.js';
import { collect, until } from './wait.js';

const open: Model[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.dispose()));
  for (const device of ['echo:cpu', 'echo:1', 'echo:2']) {
    await (await loadEcho(echoPlusOne('restore'), { device })).dispose();
  }
});

/** Disposed of after the test. */
export async function load(segments: readonly Segment[], options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await loadPipeline(segments, { device: 'echo', ...options });
  open.push(pipeline);
  return pipeline;
}

/** to = from + number, over one f32 value: the sum says which segments ran. */
export function step(from: string, to: string, number: number, ...lines: string[]): Segment {
  return { file: echo(`input ${from} f32 1`, `output ${to} = add ${from} ${number}`, ...lines) };
}

/** Two segments on two devices: y = x + 1 + 10. */
export function two(first: string[] = [], second: string[] = []): Segment[] {
  return [
    { ...step('x', 'm', 1, ...first), device: 'echo:1' },
    { ...step('m', 'y', 10, ...second), device: 'echo:2' },
  ];
}

export async function run(pipeline: Pipeline, value = 1, options = {}): Promise<number> {
  const { y } = await pipeline.run({ x: Float32Array.of(value) }, options);
  return (y!.data as Float32Array)[0]!;
}

export function segment(pipeline: Pipeline, index: number): SegmentStatus {
  return pipeline.segments()[index]!;
}

/** Natively no more is left than there was; the last of it goes with its JavaScript object. */
export async function gone(before: Partial<ReturnType<ReturnType<typeof native>['process']>>): Promise<void> {
  await until(() => {
    collect();
    const now = native().process();
    return Object.entries(before).every(([name, count]) => now[name as keyof typeof now] <= count);
  }, 'everything to be gone');
}
