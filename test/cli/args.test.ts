// The command line: options, their values, and what is said about wrong ones.
import { Args, parseDuration, parseShape, UsageError, type OptionTable } from '../../lib/cli/args.js';
import { durationText, errorJson, exitCodeOf, exitCodes, LoadFailure, shapeText, table } from '../../lib/cli/output.js';
import { InferenceError, type ErrorCode } from '../../lib/errors.js';

const options: OptionTable = {
  device: { value: 'D', help: '' },
  shapes: { value: 'S', help: '', multiple: true },
  property: { value: 'P', help: '', multiple: true },
  random: { help: '' },
};

function args(...words: string[]): Args {
  return new Args(words, { positionals: ['MODEL', '[ID]'], options });
}

describe('words', () => {
  test('arguments and options in any order', () => {
    const parsed = args('--device', 'cpu', 'model', '--random', 'id');
    expect([parsed.positional(0), parsed.positional(1), parsed.text('device')]).toEqual(['model', 'id', 'cpu']);
    expect([parsed.flag('random'), parsed.flag('json')]).toEqual([true, false]);
  });

  test.each<[string[], RegExp]>([
    [[], /Missing argument MODEL\./],
    [['a', 'b', 'c'], /Unexpected argument 'c'\./],
    [['a', '--nope'], /Unknown option '--nope'/],
    [['a', '--device'], /'--device.*' argument missing/],
    [['a', '--random=1'], /'--random' does not take an argument/],
  ])('%j', (words, message) => {
    expect(() => args(...words)).toThrow(UsageError);
    expect(() => args(...words)).toThrow(message);
  });

  test('--help needs no arguments', () => {
    expect(args('--help').flag('help')).toBe(true);
  });

  test('the value of an option is not empty', () => {
    expect(() => args('m', '--device=').text('device')).toThrow('Expected --device to have a value.');
  });
});

describe('values', () => {
  test('shapes: split at the last =, since tensor names may hold one', () => {
    const shapes = args('m', '--shapes', 'a=1x3', '--shapes', 'b=c=2,5', '--shapes', 's=', '--shapes', '=4').shapes(
      'shapes',
    );
    expect([...shapes]).toEqual([
      ['a', [1, 3]],
      ['b=c', [2, 5]],
      ['s', []],
      ['', [4]],
    ]);
  });

  test.each(['1x3', 'a=1x', 'a=-1x3', 'a=1x?', 'a=1.5', 'a=axb', 'a=1e3'])('no shape: %s', (word) => {
    expect(() => args('m', '--shapes', word).shapes('shapes')).toThrow(/Expected --shapes to be NAME=1x3x224x224/);
  });

  test('one shape a tensor', () => {
    expect(() => args('m', '--shapes', 'a=1', '--shapes', 'a=1').shapes('shapes')).toThrow(/got two/);
  });

  test('properties: split at the first =', () => {
    expect(args('m', '--property', 'K=a=b', '--property', 'L=').pairs('property')).toEqual([
      ['K', 'a=b'],
      ['L', ''],
    ]);
    expect(() => args('m', '--property', 'K').pairs('property')).toThrow(UsageError);
    expect(() => args('m', '--property', '=1').pairs('property')).toThrow(UsageError);
  });

  test('whole numbers', () => {
    const of = (word: string): number | undefined => args('m', `--device=${word}`).integer('device', 1, 10);
    expect([of('1'), of('10')]).toEqual([1, 10]);
    for (const word of ['0', '11', '1.5', 'x', '1e1', '0x1', ' 1']) expect(() => of(word)).toThrow(UsageError);
  });

  test('durations', () => {
    expect(['10', '1.5s', '500ms', '2m', '100us'].map((text) => parseDuration(text, 's'))).toEqual([
      10_000, 1500, 500, 120_000, 0.1,
    ]);
    expect(['', 's', '1h', '-1', '1..5', '1e3', '5 s'].map((text) => parseDuration(text, 's'))).toEqual(
      Array(7).fill(null),
    );
    expect(parseDuration('10', 'none')).toBeNull();
  });

  test('shapes as text', () => {
    expect([parseShape('2x3'), parseShape('scalar'), parseShape('0')]).toEqual([[2, 3], [], [0]]);
    expect([shapeText([1, -1, 3]), shapeText([]), shapeText(null)]).toEqual(['1x?x3', 'scalar', '?']);
  });
});

describe('exit codes', () => {
  test.each<[ErrorCode, number, number]>([
    ['ERR_UNAVAILABLE', 3, 3],
    ['ERR_DEVICE_BUSY', 3, 3],
    ['ERR_DEVICE_LOST', 3, 3],
    ['ERR_MODEL_NOT_FOUND', 4, 4],
    ['ERR_INVALID_MODEL', 4, 4],
    ['ERR_UNSUPPORTED', 1, 4],
    ['ERR_INVALID_ARGUMENT', 2, 2],
    ['ERR_INVALID_TENSOR', 1, 1],
    ['ERR_PERMISSION', 1, 1],
    ['ERR_OUT_OF_MEMORY', 1, 1],
    ['ERR_TIMEOUT', 1, 1],
    ['ERR_BACKEND', 1, 1],
  ])('%s: %i, from loading %i', (code, plain, loading) => {
    const error = new InferenceError(code, 'why', { remedy: 'what to do' });
    expect(exitCodeOf(error)).toBe(plain);
    expect(exitCodeOf(new LoadFailure(error))).toBe(loading);
    expect(errorJson(new LoadFailure(error))).toEqual({ code, message: 'why', remedy: 'what to do' });
  });

  test('usage, and what has no code', () => {
    expect(exitCodeOf(new UsageError('no'))).toBe(exitCodes.usage);
    const usage = { code: 'ERR_INVALID_ARGUMENT', message: 'no', remedy: 'Usage: edge-infer run MODEL' };
    expect(errorJson(new UsageError('no'), 'edge-infer run MODEL')).toEqual(usage);
    expect(exitCodeOf(new TypeError('a mistake'))).toBe(exitCodes.failed);
    expect(errorJson(new TypeError('a mistake')).code).toBe('ERR_INTERNAL');
    expect(exitCodeOf('thrown text')).toBe(exitCodes.failed);
    expect(exitCodeOf(null)).toBe(exitCodes.failed);
  });
});

describe('text', () => {
  test('columns', () => {
    expect(table([['a', 'b'], ['long', '', 'c'], ['x']])).toBe('a     b\nlong     c\nx');
  });

  test('durations', () => {
    expect([0.0021, 0.9994, 0.9996, 12.3456, 999.4, 1500, NaN].map(durationText)).toEqual([
      '2.10 µs',
      '999 µs',
      '1.000 ms',
      '12.35 ms',
      '999.4 ms',
      '1.500 s',
      '–',
    ]);
  });
});
