// Every case of the process tests: which program, with which arguments, and how its process has to end.
'use strict';

const seven = { status: 7, signal: null };
const one = { status: 1, signal: null };
const zero = { status: 0, signal: null };

/** How much longer the tests of growth are on request. */
const times = process.env.EDGE_INFER_LONG === '1' ? 10 : 1;
const gc = ['--expose-gc'];

/**
 * A case of exit.cjs. `within` bounds the whole process in seconds, `endsWithin` the time from the line that the program
 * prints just before the end.
 */
const exit = (way, backends, expect, more = {}) =>
  backends.map((backend) => ({
    group: 'exit',
    name: `${way} with ${backend} at work${more.delay === undefined ? '' : `, after ${more.delay} ms`}`,
    program: 'exit.cjs',
    args: [way, backend, ...(more.delay === undefined ? [] : [String(more.delay)])],
    needs: backend === 'openvino' || way.includes('openvino') ? ['openvino'] : [],
    expect,
    within: 240,
    endsWithin: 60,
    ...more,
  }));

const both = ['echo', 'openvino'];
const echo = ['echo'];

const isolated = ['isolated'];

const ends = [
  ...exit('exit', both, seven),
  ...exit('exit-lane', both, seven),
  ...exit('exit-async', both, seven),
  ...exit('exit-hung', echo, seven),
  ...exit('exit-stuck', echo, seven),
  ...exit('exit-stuck-beside-openvino', echo, seven),
  ...exit('exit-dispose', both, seven),
  ...exit('exit-idle', both, seven),
  ...exit('exit-reaping', both, seven, { delay: 0 }),
  ...exit('exit-reaping', both, seven, { delay: 2 }),
  ...exit('exit-load', echo, seven, { delay: 20 }),
  // From the first call of dlopen to the middle of a compile.
  ...[0, 2, 5, 10, 20, 40, 80, 1000].flatMap((delay) => exit('exit-load', ['openvino'], seven, { delay })),
  ...exit('uncaught', both, one, { stderr: /meant to be uncaught/ }),
  ...exit('rejection', both, one, { stderr: /meant to be unhandled/ }),
  ...exit('sigterm', both, { status: null, signal: 'SIGTERM' }),
  ...exit('sigterm-handled', both, seven),
  ...exit('natural', both, zero),
  ...exit('natural-idle', both, zero),
  ...exit('natural-load', both, zero),
  ...exit('natural-given-up-run', echo, zero),
  ...exit('natural-given-up-dispose', echo, zero),
  ...exit('natural-given-up-load', echo, zero),
  ...exit('exit', isolated, seven),
  ...exit('exit-hung', isolated, seven),
  ...exit('exit-stuck', isolated, seven),
  ...exit('exit-idle', isolated, seven),
  ...exit('exit-load', isolated, seven, { delay: 20 }),
  ...exit('uncaught', isolated, one, { stderr: /meant to be uncaught/ }),
  ...exit('sigterm', isolated, { status: null, signal: 'SIGTERM' }),
  ...exit('natural-idle', isolated, zero),
  ...exit('worker-exit-loading', isolated, seven, { delay: 30 }),
  ...exit('worker-terminate-stuck', isolated, zero),
  ...exit('worker-exit', both, zero),
  ...exit('worker-exit-hung', echo, zero),
  ...exit('worker-exit-stuck', echo, zero),
  ...exit('worker-exit-loading', both, seven, { delay: 30 }),
  ...exit('worker-uncaught', both, zero),
  ...exit('worker-terminate-stuck', echo, zero),
  ...exit('exit-beside-worker', both, seven),
  ...exit('exit-beside-stuck-worker', echo, seven),
  ...exit('exit-beside-loading-worker', both, seven, { delay: 30 }),
  ...exit('exit-beside-sync-worker', echo, seven),
];
/** A case of another program, which says itself whether all is well. */
const verdict = (group, program, name, args, more = {}) => ({
  group,
  name,
  program,
  args: args.map(String),
  flags: gc,
  needs: args.includes('openvino') ? ['openvino'] : [],
  expect: zero,
  within: 300 * times,
  ...more,
});

const workers = ['echo', 'openvino'].flatMap((backend) => [
  verdict('workers', 'workers.cjs', `the main thread and 8 workers at once, ${backend}`, ['together', backend]),
  verdict('workers', 'workers.cjs', `200 workers terminated at work, ${backend}`, ['terminate', backend, 200]),
]);

const memory = [
  ...both.map((one) => verdict('memory', 'transfer.cjs', `views transferred away, ${one}`, [one])),
  ...both.map((one) => verdict('memory', 'collect.cjs', `garbage collected in flight, ${one}`, [one])),
];

// The semi-space: see growth.cjs. With fewer repetitions an SDK's first allocations, some 6 MB, look like growth.
const growing = { flags: [...gc, '--max-semi-space-size=1'] };
const growth = [
  ['runs', 'echo', 200000],
  ['runs', 'openvino', 200000],
  ['loads', 'echo', 2000],
  ['loads', 'openvino', 2000],
  ['runs', 'isolated', 40000],
  ['loads', 'isolated', 2000],
].map(([what, backend, count]) => {
  const args = [what, backend, count * times];
  const more = { ...growing, within: 900 * times };
  return verdict('growth', 'growth.cjs', `${count * times} ${what} without growth, ${backend}`, args, more);
});
growth.push(
  verdict('growth', 'growth.cjs', 'bytes of JavaScript heap per run', ['heap', 'echo', 20000], {
    flags: [...gc, '--min-semi-space-size=128', '--max-semi-space-size=128'],
  }),
);

const chaos = [1, 2].map((seed) => verdict('chaos', 'chaos.cjs', `random operations, seed ${seed}`, [seed, 5 * times]));

module.exports = { cases: [...ends, ...workers, ...memory, ...growth, ...chaos] };
