// The grammar of --fail-if, and which measurements violate it.
import { applyChecks, parseCheck, parseChecks, type Measured } from '../../lib/cli/checks.js';
import { UsageError } from '../../lib/cli/args.js';

const measured: Measured = {
  ...{ mean: 5, p50: 4, p90: 8, p95: 10, p99: 20, p999: 30, max: 50 },
  ...{ throughput: 200, dropped: 3, late: 0, copies: 0 },
};

function violates(expression: string, values: Measured = measured): boolean {
  return applyChecks([parseCheck(expression)], values)[0]?.ok === false;
}

describe('what can be said', () => {
  test.each<[string, string, string, number]>([
    ['p99>20ms', 'p99', '>', 20],
    ['p99.9 >= 1.5s', 'p999', '>=', 1500],
    ['p999<.5', 'p999', '<', 0.5],
    [' mean <= 250us ', 'mean', '<=', 0.25],
    ['p50>80µs', 'p50', '>', 0.08],
    ['max!=7', 'max', '!=', 7],
    ['throughput<30fps', 'throughput', '<', 30],
    ['throughput < 30', 'throughput', '<', 30],
    ['dropped==0', 'dropped', '==', 0],
    ['copies>0', 'copies', '>', 0],
  ])('%s', (expression, metric, operator, limit) => {
    expect(parseCheck(expression)).toMatchObject({ metric, operator, expression: expression.trim() });
    expect(parseCheck(expression).limit).toBeCloseTo(limit, 12);
  });
});

describe('what is refused', () => {
  test.each<[string, RegExp]>([
    ['', /expected METRIC OPERATOR VALUE/],
    ['p99', /expected METRIC/],
    ['p99>', /expected METRIC/],
    ['p99>20ms and p50>1', /expected METRIC/],
    ['p99=>20ms', /expected METRIC/],
    ['p99>-1ms', /expected METRIC/],
    ['p99>1e3ms', /unit|expected METRIC/],
    ['>20', /expected METRIC/],
    ['p98>20ms', /'p98' is not one of mean, p50/],
    ['constructor>1', /'constructor' is not one of/],
    ['p99>20m', /the unit 'm' is not p99's \(us, ms or s\)/],
    ['p99>20fps', /the unit 'fps'/],
    ['throughput<30ms', /the unit 'ms' is not throughput's \(fps\)/],
    ['dropped>1%', /the unit '%'/],
  ])('%s', (expression, message) => {
    expect(() => parseCheck(expression)).toThrow(UsageError);
    expect(() => parseCheck(expression)).toThrow(message);
  });

  test('arrivals without --rate, which could never fail', () => {
    expect(() => parseChecks(['p99>1', 'dropped>0'], false)).toThrow("--fail-if 'dropped>0' needs --rate.");
    expect(parseChecks(['p99>1', 'late>0'], true)).toHaveLength(2);
  });
});

describe('what is violated', () => {
  test.each<[string, boolean]>([
    ['p99>20ms', false],
    ['p99>19.9ms', true],
    ['p99>=20ms', true],
    ['p99>0.02s', false],
    ['p99>19900us', true],
    ['p999>29', true],
    ['throughput<200', false],
    ['throughput<=200', true],
    ['dropped!=3', false],
    ['dropped==3', true],
    ['late>0', false],
    ['copies>0', false],
    ['max<50.1', true],
  ])('%s: %s', (expression, expected) => {
    expect(violates(expression)).toBe(expected);
  });

  test('what was not measured cannot pass', () => {
    expect(violates('dropped>100', { ...measured, dropped: null })).toBe(true);
    expect(violates('p99>100', { ...measured, p99: NaN })).toBe(true);
  });

  test('values carry their unit', () => {
    const [result] = applyChecks([parseCheck('p99>1s')], measured);
    expect(result).toEqual({ expression: 'p99>1s', value: 20, unit: 'ms', ok: true });
  });
});
