/** Makes a jest test of every case of a group: a process of this very node runs the program and ends as it should. */
import type { RunCase } from './run-case.cjs';

const { cases } = require('./cases.cjs') as { cases: (RunCase & { group: string; name: string })[] };
const { runCase } = require('./run-case.cjs') as typeof import('./run-case.cjs');

export function eachCase(group: string): void {
  describe(group, () => {
    for (const one of cases.filter((candidate) => candidate.group === group)) {
      test(
        one.name,
        async () => {
          const { problems } = await runCase(process.execPath, one);
          expect(problems).toEqual([]);
        },
        (one.within + 5) * 1000,
      );
    }
  });
}
