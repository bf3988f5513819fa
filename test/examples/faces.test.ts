/** The face demo as its users run it, on two SDKs and beside MediaPipe's own answers, and its arithmetic on known values. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { asset, describeAssets } from '../support/assets.js';
import { astronaut } from '../support/astronaut.js';
import { Example } from '../support/example.js';
import { Folder } from '../support/folder.js';

const scratch = new Folder();
const example = new Example('faces', scratch.path);
const devices = ['tflite:cpu', 'openvino:cpu'] as const;
const models = ['short', 'full', 'sparse'] as const;
type ModelName = (typeof models)[number];

interface Face {
  readonly score: number;
  readonly box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly keypoints: Readonly<Record<string, readonly [number, number]>>;
}

interface Report {
  readonly image: { readonly source: string; readonly width: number; readonly height: number };
  readonly model: { readonly file: string; readonly device: string };
  readonly faces: readonly Face[];
  readonly stagesMs: Record<'first' | 'warm', Record<'preprocess' | 'detect' | 'postprocess' | 'total', number>>;
  readonly annotated: string;
}

/** Intersection over union. */
function overlap({ box: a }: Face, { box: b }: Pick<Face, 'box'>): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/** What the detector finds in each picture; all of them in one process. */
function detectIn(files: readonly string[], model: ModelName, device: string): Promise<Face[][]> {
  return example.evaluate(
    { edge: '../../dist/index.js', detector: 'detector.mjs', models: 'models.mjs', images: '../shared/images.mjs' },
    `const options = models.MODELS[${JSON.stringify(model)}];
     const model = await edge.loadModel(options.file, { device: ${JSON.stringify(device)} });
     const faces = new detector.FaceDetector(model, options);
     const found = [];
     for (const file of ${JSON.stringify(files)}) found.push((await faces.detect((await images.openImage(file)).image)).faces);
     faces.dispose();
     await model.dispose();
     return found;`,
  );
}

// Left, top, side and score of the faces that MediaPipe itself finds (Python's mediapipe 0.10.21, solutions.face_detection,
// which has the short range model and the sparse one). It takes one point of the image where the demo takes the mean under an
// input pixel, and that half an input pixel further to the top left: boxes and scores differ a little.
type Known = readonly [left: number, top: number, side: number, score: number];
const mediapipe: Record<string, Record<'short' | 'sparse', readonly Known[]>> = {
  'astronaut.png': {
    short: [[177.57, 82.87, 95.34, 0.9217]],
    sparse: [[173.66, 67.78, 103.93, 0.9121]],
  },
  'face.jpg': {
    short: [
      [256.06, 70.53, 103.2, 0.9741],
      [131.93, 104.64, 97.25, 0.9295],
    ],
    sparse: [
      [248.54, 62.72, 107.09, 0.962],
      [126.95, 96.07, 103.7, 0.8385],
      [3.05, 114.24, 41.55, 0.8346],
      [439.01, 129.37, 51.63, 0.8187],
    ],
  },
  'grace_hopper.bmp': {
    short: [[171.89, 147.92, 194.03, 0.9359]],
    sparse: [[166.2, 128.73, 199.86, 0.8767]],
  },
  'hot_dog.jpg': { short: [], sparse: [] },
};

/** The same faces as MediaPipe, in about the same places. `full` has no answers of its own: it is held to those of `sparse`. */
function expectKnown(faces: readonly Face[], name: string, model: ModelName): void {
  const known = mediapipe[name]![model === 'full' ? 'sparse' : model];
  const [least, apart] = model === 'full' ? [0.7, 0.15] : [0.85, 0.05];
  expect({ name, model, count: faces.length }).toEqual({ name, model, count: known.length });
  for (const [left, top, side, score] of known) {
    const box = { left, top, width: side, height: side };
    const [face] = [...faces].sort((a, b) => overlap(b, { box }) - overlap(a, { box }));
    expect(overlap(face!, { box })).toBeGreaterThan(least);
    expect(Math.abs(face!.score - score)).toBeLessThan(apart);
  }
}

/** The same faces in the same order; rounding may move a candidate over a threshold, which moves a mean a little. */
function expectSameFaces(faces: readonly Face[], others: readonly Face[]): void {
  expect(faces).toHaveLength(others.length);
  faces.forEach((face, i) => {
    const other = others[i]!;
    expect(overlap(face, other)).toBeGreaterThan(0.99);
    expect(Math.abs(face.score - other.score)).toBeLessThan(1e-3);
    for (const [name, [x, y]] of Object.entries(face.keypoints)) {
      expect(Math.hypot(x - other.keypoints[name]![0], y - other.keypoints[name]![1])).toBeLessThan(1);
    }
  });
}

/** Seen from the front, a person's right eye is to the left, and every point lies about where it is on a face. */
function expectPlausible({ box, keypoints }: Face): void {
  expect(Object.keys(keypoints)).toEqual(['rightEye', 'leftEye', 'nose', 'mouth', 'rightEar', 'leftEar']);
  for (const [x, y] of Object.values(keypoints)) {
    expect(Math.abs(x - box.left - box.width / 2)).toBeLessThan(0.7 * box.width);
    expect(Math.abs(y - box.top - box.height / 2)).toBeLessThan(0.5 * box.height);
  }
  const { rightEye, leftEye, nose, mouth } = keypoints as Record<string, [number, number]>;
  expect(rightEye![0]).toBeLessThan(leftEye![0]);
  expect(Math.max(rightEye![1], leftEye![1])).toBeLessThan(nose![1]);
  expect(nose![1]).toBeLessThan(mouth![1]);
}

describe('the demo', () => {
  it('finds the face on the photograph, the same on both SDKs, and draws it', async () => {
    const reports: Report[] = [];
    for (const device of devices) {
      const out = path.join(scratch.path, 'pictures', `${device.replace(':', '-')}.png`);
      const report = await example.report<Report>([astronaut(), '--device', device, '--out', out]);
      expect(report.image).toEqual({ source: 'astronaut.png', width: 512, height: 512 });
      expect(report.model).toMatchObject({ file: 'face_detection_full_range.tflite', device });
      for (const { preprocess, detect, postprocess, total } of Object.values(report.stagesMs)) {
        for (const ms of [preprocess, detect, postprocess]) expect(ms).toBeGreaterThan(0);
        expect(preprocess + detect + postprocess).toBeCloseTo(total, 6);
      }
      expect([...readFileSync(out).subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
      expect(readFileSync(out).equals(readFileSync(astronaut()))).toBe(false);
      expectKnown(report.faces, 'astronaut.png', 'full');
      report.faces.forEach(expectPlausible);
      reports.push(report);
    }
    expectSameFaces(reports[0]!.faces, reports[1]!.faces);
  });

  it('prints what it finds, or that it finds nothing', async () => {
    const found = await example.run([astronaut(), '--model', 'short']);
    expect(found.code).toBe(0);
    expect(found.stdout).toMatch(/^Face +Score +Left +Top +Width +Height\n1 +9\d\.\d %/m);
    expect(found.stdout).toMatch(/^preprocess +[\d.]+ ms +[\d.]+ ms\ndetect .*\npostprocess .*\ntotal /m);
    expect(found.stdout).toContain('out/faces-annotated.png');
    const nothing = await example.run([astronaut(), '--model', 'short', '--score', '0.999']);
    expect(nothing.code).toBe(0);
    expect(nothing.stdout).toContain('No face found.');
  });

  it('takes the photograph of EDGE_INFER_ASSETS, and says what to give where there is none', async () => {
    const { code, stdout, stderr } = await example.run([], { EDGE_INFER_ASSETS: undefined });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Give a photograph to look for faces in: .+\n$/);
    scratch.write('assets/images/face.jpg', 'no picture');
    const asset = await example.run([], { EDGE_INFER_ASSETS: path.join(scratch.path, 'assets') });
    expect(asset.code).toBe(1);
    expect(asset.stderr).toMatch(/^Cannot read the image .*face\.jpg: it is not a JPEG, PNG or WebP image.*\n$/);
  });

  it('explains its usage, and what a device lacks', async () => {
    const wrong = [['--unknown'], ['a.jpg', 'b.jpg'], ['--model', 'long'], ['--score', '0'], ['--score', 'high']];
    for (const args of wrong) {
      const { code, stderr } = await example.run(args);
      expect(stderr).toContain('Usage: node examples/faces/main.mjs');
      expect(code).toBe(2);
    }
    const { code, stdout } = await example.run(['--help']);
    expect(stdout).toContain('--device');
    expect(code).toBe(0);
    const missing = await example.run([astronaut(), '--device', 'openvino:none']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/openvino/i);
    expect(missing.stderr).not.toMatch(/^ +at /m);
  });
});

describe.each(models)('the %s model', (model) => {
  it('finds the face on the photograph, the same on both SDKs', async () => {
    const found = [];
    for (const device of devices) found.push((await detectIn([astronaut()], model, device))[0]!);
    expectKnown(found[0]!, 'astronaut.png', model);
    found[0]!.forEach(expectPlausible);
    expectSameFaces(found[0]!, found[1]!);
  });
});

describeAssets('photographs', () => {
  it.each(models)('%s: the faces that MediaPipe finds, the same on both SDKs', async (model) => {
    const names = ['face.jpg', 'grace_hopper.bmp', 'hot_dog.jpg'];
    const files = names.map((name) => asset('images', name));
    const [ours, theirs] = [await detectIn(files, model, devices[0]), await detectIn(files, model, devices[1])];
    names.forEach((name, i) => {
      expectKnown(ours[i]!, name, model);
      ours[i]!.forEach(expectPlausible);
      expectSameFaces(ours[i]!, theirs[i]!);
    });
  });
});

describe('anchors', () => {
  const centres = (model: ModelName): Promise<number[][]> =>
    example.evaluate(
      { anchors: 'anchors.mjs', models: 'models.mjs' },
      `const flat = anchors.anchorCentres(models.MODELS[${JSON.stringify(model)}]);
       return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);`,
    );

  it('of the short range: 16 × 16 places with two, then 8 × 8 with the six of three layers of one stride', async () => {
    const all = await centres('short');
    expect(all).toHaveLength(16 * 16 * 2 + 8 * 8 * 6);
    // Row by row, and all of a place one after the other: exact in binary.
    expect(all.slice(0, 3)).toEqual([
      [0.5 / 16, 0.5 / 16],
      [0.5 / 16, 0.5 / 16],
      [1.5 / 16, 0.5 / 16],
    ]);
    expect(all[2 * 16]).toEqual([0.5 / 16, 1.5 / 16]);
    expect(all[511]).toEqual([15.5 / 16, 15.5 / 16]);
    expect(all.slice(512, 518)).toEqual(Array(6).fill([0.5 / 8, 0.5 / 8]));
    expect(all[518]).toEqual([1.5 / 8, 0.5 / 8]);
    expect(all[512 + 6 * 8]).toEqual([0.5 / 8, 1.5 / 8]);
    expect(all[895]).toEqual([7.5 / 8, 7.5 / 8]);
  });

  it.each(['full', 'sparse'] as const)('of the full range (%s): 48 × 48 places with one', async (model) => {
    const all = await centres(model);
    expect(all).toHaveLength(48 * 48);
    [0, 1, 47, 48, 2303].forEach((i) => {
      expect(all[i]![0]).toBeCloseTo(((i % 48) + 0.5) / 48, 6);
      expect(all[i]![1]).toBeCloseTo((Math.floor(i / 48) + 0.5) / 48, 6);
    });
  });

  it('where the stride does not divide the side, the last places reach over the edge', async () => {
    const count = await example.evaluate<number>(
      { anchors: 'anchors.mjs' },
      'return anchors.anchorCentres({ side: 100, strides: [16, 32], anchorsPerLayer: 1 }).length / 2;',
    );
    expect(count).toBe(7 * 7 + 4 * 4);
  });
});

interface Candidate {
  readonly score: number;
  readonly places: number[];
}

describe('decoding', () => {
  /** A detector with an input of 100 pixels and anchors at its middle and at (0.25, 0.75). */
  const decode = (values: readonly number[][], logits: readonly string[], minimumScore = 0.5): Promise<Candidate[]> =>
    example.evaluate(
      { faces: 'faces.mjs' },
      `return faces.decode(Float32Array.from(${JSON.stringify(values.flat())}), Float32Array.of(${logits.join()}),
         Float32Array.of(0.5, 0.5, 0.25, 0.75), { side: 100, minimumScore: ${minimumScore} });`,
    );
  const face = [10, -20, 30, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -11, -12];

  it('places box and key points at the anchor, and scores by the logistic function', async () => {
    const [first, second, ...others] = await decode([face, face], ['0', 'Math.log(3)']);
    expect(others).toEqual([]);
    expect(first!.score).toBe(0.5); // the threshold itself is enough
    expect(second!.score).toBeCloseTo(0.75, 6);
    // Centre (0.6, 0.3), 0.3 wide and 0.4 high; then six points from the anchor.
    const box = [0.45, 0.1, 0.75, 0.5];
    const points = [0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.6, 0.39, 0.38];
    [...box, ...points].forEach((place, k) => {
      expect(first!.places[k]).toBeCloseTo(place, 6);
      expect(second!.places[k]).toBeCloseTo(place + (k % 2 === 0 ? -0.25 : 0.25), 6);
    });
    expect(first!.places).toHaveLength(16);
  });

  it('leaves out what is unsure, no number, or turned inside out', async () => {
    expect(await decode([face, face], ['-0.01', 'NaN'])).toEqual([]);
    expect(await decode([face, face], ['-1000', '-Infinity'])).toEqual([]);
    const inside = (k: number, value: number): number[] => face.map((one, i) => (i === k ? value : one));
    expect(await decode([inside(2, -1), inside(3, -1)], ['9', '9'])).toEqual([]);
    expect((await decode([inside(2, 0), face], ['1000', '-9']))[0]!.score).toBe(1);
  });

  it('refuses outputs of another size', async () => {
    await expect(decode([face], ['0', '0'])).rejects.toThrow(/Expected 2 scores and 32 values, got 2 and 16/);
    await expect(decode([face, face], ['0'])).rejects.toThrow(/Expected 2 scores and 32 values, got 1 and 32/);
  });
});

describe('merging', () => {
  const merge = (candidates: readonly Candidate[], options: object = {}): Promise<Candidate[]> =>
    example.evaluate(
      { faces: 'faces.mjs' },
      `return faces.merge(${JSON.stringify(candidates)}, ${JSON.stringify(options)});`,
    );
  /** A square, and one key point in its middle. */
  const at = (left: number, top: number, side: number, score: number): Candidate => ({
    score,
    places: [left, top, left + side, top + side, left + side / 2, top + side / 2],
  });

  it('one face for all that overlap: their mean by score, with the best score', async () => {
    const [face, ...others] = await merge([at(0.1, 0.1, 0.4, 0.6), at(0.14, 0.1, 0.4, 0.9)]);
    expect(others).toEqual([]);
    expect(face!.score).toBe(0.9);
    const left = (0.6 * 0.1 + 0.9 * 0.14) / 1.5;
    [left, 0.1, left + 0.4, 0.5, left + 0.2, 0.3].forEach((place, k) => expect(face!.places[k]).toBeCloseTo(place, 9));
  });

  it('keeps faces apart that overlap by less, the surest first', async () => {
    const [weak, strong] = [at(0.6, 0.6, 0.2, 0.55), at(0.1, 0.1, 0.2, 0.95)];
    const touching = at(0.3, 0.1, 0.2, 0.7);
    const faces = await merge([weak, strong, touching]);
    expect(faces.map(({ score }) => score)).toEqual([0.95, 0.7, 0.55]);
    expect(faces[1]!.places.map((place) => place.toFixed(9))).toEqual(touching.places.map((place) => place.toFixed(9)));
  });

  it('asks each candidate for its overlap with the best, not with its neighbours', async () => {
    // Steps of half a side: neighbours overlap by 1/3, the ends of the chain not at all.
    const chain = [at(0, 0, 0.2, 0.9), at(0.1, 0, 0.2, 0.8), at(0.2, 0, 0.2, 0.7)];
    expect((await merge(chain)).map(({ score }) => score)).toEqual([0.9, 0.7]);
    expect(await merge(chain, { overlap: 0.34 })).toHaveLength(3);
  });

  it('nothing of nothing, and a face without an area stays one', async () => {
    expect(await merge([])).toEqual([]);
    expect(await merge([at(0.5, 0.5, 0, 0.8)])).toHaveLength(1);
  });
});

describe('the letterbox', () => {
  /** Red is the column, green the row, blue 255. What comes back: the input's pixels as bytes, and no number where black. */
  const letterbox = (width: number, height: number, side: number): Promise<([number, number, number] | null)[][]> =>
    example.evaluate(
      { letterbox: 'letterbox.mjs' },
      `const [width, height, side] = ${JSON.stringify([width, height, side])};
       const image = { width, height, data: new Uint8ClampedArray(width * height * 4).fill(255) };
       for (let i = 0; i < width * height; i++) {
         image.data[4 * i] = i % width;
         image.data[4 * i + 1] = Math.floor(i / width);
       }
       const input = new Float32Array(side * side * 3).fill(7);
       letterbox.letterboxInto(image, input, side);
       return Array.from({ length: side }, (_, y) => Array.from({ length: side }, (_, x) => {
         const pixel = Array.from(input.subarray((y * side + x) * 3, (y * side + x) * 3 + 3));
         return pixel.every((value) => value === -1) ? null : pixel.map((value) => (value + 1) * 127.5);
       }));`,
    );

  it.each([
    [200, 100, 50],
    [100, 200, 50],
    [60, 45, 48],
    [31, 77, 64],
    [90, 90, 32],
  ])('%i × %i in %i: in the middle, neither moved nor stretched, black beside it', async (width, height, side) => {
    const input = await letterbox(width, height, side);
    const step = Math.max(width, height) / side;
    input.forEach((row, y) =>
      row.forEach((pixel, x) => {
        // The image's point under the pixel's middle.
        const px = (x + 0.5 - side / 2) * step + width / 2;
        const py = (y + 0.5 - side / 2) * step + height / 2;
        const inside = px >= 0 && px < width && py >= 0 && py < height;
        expect({ x, y, inside: pixel !== null }).toEqual({ x, y, inside });
        if (pixel === null) return;
        const [red, green, blue] = pixel;
        // At the image's edge a part of what is averaged does not exist.
        const near = (at: number, length: number): number => (Math.min(at, length - at) < step / 2 ? step / 2 : 0.51);
        expect(Math.abs(red - (px - 0.5))).toBeLessThan(near(px, width));
        expect(Math.abs(green - (py - 0.5))).toBeLessThan(near(py, height));
        expect(blue).toBeCloseTo(255, 3);
      }),
    );
  });

  it('an image too thin for any pixel leaves the input black', async () => {
    expect((await letterbox(200, 1, 16)).flat().every((pixel) => pixel === null)).toBe(true);
    expect((await letterbox(1, 1, 4)).flat()).toEqual(Array(16).fill([0, 0, 255]));
  });
});
