/** What detectors find: their outputs decoded to boxes, and whether two lists of boxes say the same. */
import { argmax } from './photographs.js';

/** Corners in fractions of the picture's width and height. */
export interface Detection {
  readonly kind: number;
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Intersection over union. */
export function overlap(a: Detection, b: Detection): number {
  const area = ({ left, top, right, bottom }: Detection): number => (right - left) * (bottom - top);
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (area(a) + area(b) - width * height);
}

/** The surest of those that overlap and are of one kind, surest first. */
function strongest(all: readonly Detection[]): Detection[] {
  const kept: Detection[] = [];
  for (const one of [...all].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => other.kind !== one.kind || overlap(one, other) < 0.4)) kept.push(one);
  }
  return kept;
}

/**
 * FastestDet's output, 85 planes of 22 x 22 cells: objectness; the centre from the cell's corner (tanh); width and height
 * in fractions of the picture (sigmoid); 80 classes.
 */
export function cocoObjects(values: Float32Array, threshold: number): Detection[] {
  const [side, cells] = [22, 22 * 22];
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const found: Detection[] = [];
  for (let cell = 0; cell < cells; cell++) {
    const plane = (n: number): number => values[n * cells + cell]!;
    const classes = Array.from({ length: 80 }, (_, i) => plane(5 + i));
    const kind = argmax(classes);
    const score = Math.pow(plane(0), 0.6) * Math.pow(classes[kind]!, 0.4);
    if (score < threshold) continue;
    const x = ((cell % side) + Math.tanh(plane(1))) / side;
    const y = (Math.floor(cell / side) + Math.tanh(plane(2))) / side;
    const [halfWidth, halfHeight] = [sigmoid(plane(3)) / 2, sigmoid(plane(4)) / 2];
    found.push({ kind, score, left: x - halfWidth, top: y - halfHeight, right: x + halfWidth, bottom: y + halfHeight });
  }
  return strongest(found);
}

/** The face detector's outputs: pairs (background, face), and the four corners of each as they are. */
export function faceBoxes(scores: Float32Array, boxes: Float32Array, threshold: number): Detection[] {
  const found: Detection[] = [];
  for (let i = 0; 2 * i < scores.length; i++) {
    const score = scores[2 * i + 1]!;
    if (score < threshold) continue;
    const [left, top, right, bottom] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    found.push({ kind: 0, score, left, top, right, bottom });
  }
  return strongest(found);
}

/**
 * Those of `wanted` that are sure (0.6 and more) and have no partner in `found`: of the same kind, with an overlap of 0.8
 * or more, and a score that differs by 0.1 at most.
 */
export function missed(wanted: readonly Detection[], found: readonly Detection[]): Detection[] {
  const partners = (a: Detection, b: Detection): boolean =>
    a.kind === b.kind && overlap(a, b) >= 0.8 && Math.abs(a.score - b.score) <= 0.1;
  return wanted.filter((one) => one.score >= 0.6 && !found.some((other) => partners(one, other)));
}
