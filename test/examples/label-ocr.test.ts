/** The label demo as its users run it: the text read against the text drawn, errors, and its post-processing on known maps. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Example } from '../support/example.js';
import { Folder } from '../support/folder.js';

const scratch = new Folder().path;
const example = new Example('label-ocr', scratch);

interface Distribution {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Report {
  readonly image: { readonly width: number; readonly height: number };
  readonly models: Record<'detector' | 'recognizer', { readonly device: string; readonly loadMs: number }>;
  readonly lines: readonly {
    readonly text: string;
    readonly confidence: number;
    readonly box: number[][];
    readonly ms: number;
  }[];
  readonly rendered: { readonly lines: string[]; readonly fields: Record<'part' | 'lot' | 'date', string> } | null;
  readonly stagesMs: Record<
    'first' | 'warm',
    Record<'preprocess' | 'detect' | 'postprocess' | 'recognize' | 'total', number>
  >;
  readonly annotated: string;
  readonly frames: {
    readonly shape: number[];
    readonly frames: number;
    readonly results: number;
    readonly dropped: number;
    readonly late: number;
    readonly latencyMs: Distribution;
    readonly eventLoopDelayMs: Distribution;
    readonly memoryMiB: Record<string, number>;
    readonly linesFound: number;
  } | null;
}

const report = (...args: string[]): Promise<Report> => example.report<Report>(args);

const texts = (result: Report): string[] => result.lines.map((line) => line.text);

describe('the demo', () => {
  it('reads every character of the label it draws, and plays the camera', async () => {
    const out = join(scratch, 'pictures', 'annotated.png');
    const result = await report('--seconds', '1', '--out', out);

    expect(result.rendered?.lines).toHaveLength(16);
    expect(texts(result)).toEqual(result.rendered?.lines);
    expect(texts(result)).toEqual(expect.arrayContaining(Object.values(result.rendered!.fields)));
    for (const line of result.lines) {
      expect(line.confidence).toBeGreaterThan(0.8);
      expect(line.confidence).toBeLessThanOrEqual(1);
      expect(line.box).toHaveLength(4);
      for (const [x, y] of line.box) {
        expect(x).toBeGreaterThan(0);
        expect(x).toBeLessThan(result.image.width);
        expect(y).toBeGreaterThan(0);
        expect(y).toBeLessThan(result.image.height);
      }
    }
    expect(result.models.detector.device).toMatch(/^[a-z]+:/);
    for (const stages of [result.stagesMs.first, result.stagesMs.warm]) {
      const { preprocess, detect, postprocess, recognize, total } = stages;
      for (const ms of [preprocess, detect, postprocess, recognize]) expect(ms).toBeGreaterThan(0);
      expect(preprocess + detect + postprocess + recognize).toBeCloseTo(total, 6);
    }

    expect([...readFileSync(out).subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

    const frames = result.frames!;
    expect(frames.frames).toBe(30);
    expect(frames.results).toBeGreaterThan(0);
    expect(frames.results + frames.dropped).toBe(frames.frames);
    expect(frames.late).toBeLessThanOrEqual(frames.results);
    expect(frames.latencyMs.p50).toBeGreaterThan(0);
    expect(frames.latencyMs.p99).toBeGreaterThanOrEqual(frames.latencyMs.p50);
    expect(frames.eventLoopDelayMs.p99).toBeGreaterThanOrEqual(0);
    expect(frames.memoryMiB['rssEnd']).toBeGreaterThan(0);
    expect(frames.linesFound).toBeGreaterThan(0);
  });

  it('reads labels with other numbers, at other angles and in other light', async () => {
    const read = async (seed: string): Promise<Report> =>
      report('--seconds', '0', '--seed', seed, '--out', join(scratch, 'seed.png'));
    for (const seed of ['2', '3']) {
      const result = await read(seed);
      expect(texts(result)).toEqual(result.rendered?.lines);
      expect(result.frames).toBeNull();
    }
  });

  it.each([0, 1])('reads a picture of the user, given %i quarter turns', async (quarters) => {
    const picture = join(scratch, `own label ${quarters}.jpg`);
    const { jpeg, lines } = await example.evaluate<{ jpeg: string; lines: string[] }>(
      { label: 'label.mjs' },
      `const { canvas, lines } = label.renderLabel({ seed: 7 });
       const { width, height } = canvas;
       const upright = canvas.getContext('2d').getImageData(0, 0, width, height);
       if (${quarters} === 1) {
         canvas.width = height;
         canvas.height = width;
         const turned = canvas.getContext('2d').createImageData(height, width);
         const from = new Uint32Array(upright.data.buffer), to = new Uint32Array(turned.data.buffer);
         for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) to[x * height + height - 1 - y] = from[y * width + x];
         canvas.getContext('2d').putImageData(turned, 0, 0);
       }
       return { jpeg: canvas.toBuffer('image/jpeg', 90).toString('base64'), lines };`,
    );
    writeFileSync(picture, Buffer.from(jpeg, 'base64'));
    const result = await report('--seconds', '0', picture);
    expect(result.rendered).toBeNull();
    expect(texts(result)).toEqual(lines);
    expect(result.annotated).toBe('out/label-annotated.png');
    expect(existsSync(join(scratch, result.annotated))).toBe(true);
  });

  it('says without a stack trace why an image cannot be read', async () => {
    const text = join(scratch, 'text.png');
    writeFileSync(text, 'no picture');
    const cases: [string, RegExp][] = [
      [join(scratch, 'missing.jpg'), /^Cannot read the image .*missing\.jpg: there is no such file\.\n$/],
      [scratch, /^Cannot read the image .*: it is a folder\.\n$/],
      [text, /^Cannot read the image .*text\.png: it is not a JPEG, PNG or WebP image.*\.\n$/],
    ];
    for (const [file, message] of cases) {
      const { code, stdout, stderr } = await example.run([file]);
      expect(stderr).toMatch(message);
      expect(stdout).toBe('');
      expect(code).toBe(1);
    }
  });

  it('explains its usage', async () => {
    for (const args of [['--unknown'], ['a.jpg', 'b.jpg'], ['--seconds', 'soon'], ['--seed', '0.5']]) {
      const { code, stderr } = await example.run(args);
      expect(stderr).toContain('Usage: node examples/label-ocr/main.mjs');
      expect(code).toBe(2);
    }
    const { code, stdout } = await example.run(['--help']);
    expect(stdout).toContain('--device');
    expect(code).toBe(0);
  });
});

describe('post-processing', () => {
  interface Box {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly angle: number;
    readonly score: number;
  }

  /** A map of 320 × 240 with the given rectangles drawn in, and the boxes found in it. */
  const find = (rectangles: readonly object[], options: object = {}): Promise<Box[]> =>
    example.evaluate(
      { detect: 'detect.mjs' },
      `const width = 320, height = 240, map = new Float32Array(width * height);
       for (const r of ${JSON.stringify(rectangles)}) {
         const cos = Math.cos(r.angle), sin = Math.sin(r.angle);
         for (let i = 0; i < map.length; i++) {
           const dx = i % width + 0.5 - r.x, dy = Math.floor(i / width) + 0.5 - r.y;
           const u = dx * cos + dy * sin, v = dy * cos - dx * sin;
           if (Math.abs(u) <= r.width / 2 && Math.abs(v) <= r.height / 2) map[i] = r.value ?? 0.9;
         }
       }
       return detect.findBoxes(map, { width, height, growth: 0, ...${JSON.stringify(options)} });`,
    );

  it.each([0, 0.05, -0.06, 0.4, -0.7, 0.78])('recovers a rectangle turned by %f rad', async (angle) => {
    const rectangle = { x: 160.3, y: 120.8, width: 140, height: 30, angle };
    const boxes = await find([rectangle]);
    expect(boxes).toHaveLength(1);
    const box = boxes[0]!;
    expect(Math.abs(box.x - rectangle.x)).toBeLessThan(1);
    expect(Math.abs(box.y - rectangle.y)).toBeLessThan(1);
    expect(Math.abs(box.width - rectangle.width)).toBeLessThan(2);
    expect(Math.abs(box.height - rectangle.height)).toBeLessThan(2);
    expect(Math.abs(box.angle - angle)).toBeLessThan(0.02);
    expect(box.score).toBeGreaterThan(0.85);
  });

  it('grows a box by area × ratio / perimeter on each side, and scales it to the image', async () => {
    const [box] = await find([{ x: 160, y: 120, width: 100, height: 20, angle: 0 }], { growth: 1.5, scale: 0.5 });
    const offset = (100 * 20 * 1.5) / (2 * (100 + 20));
    expect(box!.x).toBeCloseTo(320, 6);
    expect(box!.y).toBeCloseTo(240, 6);
    expect(box!.width).toBeCloseTo(2 * (100 + 2 * offset), 6);
    expect(box!.height).toBeCloseTo(2 * (20 + 2 * offset), 6);
  });

  it('leaves out what is faint, small or below the threshold, and keeps what touches the border', async () => {
    const boxes = await find([
      { x: 60, y: 40, width: 80, height: 16, angle: 0, value: 0.5 },
      { x: 60, y: 100, width: 60, height: 2, angle: 0 },
      { x: 60, y: 160, width: 80, height: 16, angle: 0, value: 0.29 },
      { x: 280, y: 230, width: 80, height: 20, angle: 0 },
    ]);
    expect(boxes).toHaveLength(1);
    expect(boxes[0]).toMatchObject({ x: 280, y: 230, width: 80, height: 20, angle: 0 });
  });

  it('finds nothing in an empty map and one box in a full one', async () => {
    expect(await find([])).toEqual([]);
    const [box, ...others] = await find([{ x: 160, y: 120, width: 400, height: 400, angle: 0 }]);
    expect(others).toEqual([]);
    expect(box).toMatchObject({ x: 160, y: 120, width: 320, height: 240 });
  });

  it('sorts by rows along the direction of the text, not by height alone', async () => {
    const angle = 0.1;
    const at = (along: number, across: number): object => ({
      x: 160 + along * Math.cos(angle) - across * Math.sin(angle),
      y: 120 + along * Math.sin(angle) + across * Math.cos(angle),
      width: 60,
      height: 14,
      angle,
    });
    // The right end of the first row lies lower than the left end of the second.
    const rows = [at(-100, -15), at(100, -15), at(-100, 15), at(100, 15)];
    const boxes = await find([rows[3]!, rows[1]!, rows[2]!, rows[0]!]);
    const places = boxes.map((box) => [Math.round(box.x), Math.round(box.y)]);
    const expected = rows.map((row) => [Math.round((row as Box).x), Math.round((row as Box).y)]);
    expect(places).toHaveLength(4);
    places.forEach(([x, y], i) => {
      expect(Math.abs(x! - expected[i]![0]!)).toBeLessThanOrEqual(1);
      expect(Math.abs(y! - expected[i]![1]!)).toBeLessThanOrEqual(1);
    });
  });

  it('decodes: repeats merged, "nothing" left out, a real repetition kept', async () => {
    const decoded = await example.evaluate<{ text: string; confidence: number }[]>(
      { recognize: 'recognize.mjs' },
      `const characters = ['', 'A', 'B', ' '];
       const steps = (...best) => Float32Array.from(best.flatMap(([c, p]) => characters.map((_, i) => (i === c ? p : (1 - p) / 3))));
       return [
         recognize.decode(steps([1, 0.9], [1, 0.8], [0, 0.9], [1, 0.7], [3, 0.5], [2, 1]), characters),
         recognize.decode(steps([0, 0.9], [0, 0.9]), characters),
       ];`,
    );
    expect(decoded[0]!.text).toBe('AA B');
    expect(decoded[0]!.confidence).toBeCloseTo((0.9 + 0.7 + 0.5 + 1) / 4, 6);
    expect(decoded[1]).toEqual({ text: '', confidence: 0 });
  });

  it('straightens a turned box, also one that stands on end', async () => {
    // Red is the horizontal coordinate within the turned box, green the vertical one: both must come back as ramps.
    const worst = await example.evaluate<number[]>(
      { recognize: 'recognize.mjs' },
      `const errors = [];
       for (const box of [
         { x: 200, y: 150, width: 192, height: 48, angle: 0.06 },
         { x: 200, y: 150, width: 48, height: 192, angle: -0.05 },
       ]) {
         const onEnd = box.height > box.width;
         const turn = box.angle + (onEnd ? Math.PI / 2 : 0);
         const cos = Math.cos(turn), sin = Math.sin(turn);
         const image = { width: 400, height: 300, data: new Uint8ClampedArray(400 * 300 * 4) };
         for (let y = 0; y < 300; y++) for (let x = 0; x < 400; x++) {
           const dx = x + 0.5 - box.x, dy = y + 0.5 - box.y;
           image.data[(y * 400 + x) * 4] = dx * cos + dy * sin + 96;
           image.data[(y * 400 + x) * 4 + 1] = dy * cos - dx * sin + 24;
         }
         const shape = recognize.recognitionShape(box);
         const target = new Float32Array(shape[1] * shape[2] * shape[3]);
         recognize.preprocess(image, box, target, shape);
         const byte = (plane, row, column) => (target[(plane * 48 + row) * shape[3] + column] + 1) * 127.5;
         let worst = 0;
         for (let row = 2; row < 46; row++) for (let column = 2; column < 190; column++) {
           // Planes are blue, green, red.
           worst = Math.max(worst, Math.abs(byte(2, row, column) - column - 0.5), Math.abs(byte(1, row, column) - row - 0.5));
         }
         errors.push(worst);
       }
       return errors;`,
    );
    for (const error of worst) expect(error).toBeLessThan(1);
  });
});
