/** From the outputs of a face detector to faces: decoded at their anchors, and one for all that mean the same face. */

/** What the six key points are, seen by the person: in the order of the outputs. */
export const KEYPOINTS = ['rightEye', 'leftEye', 'nose', 'mouth', 'rightEar', 'leftEar'];

/** Values per anchor: centre x and y, width, height, then x and y of each key point. */
const VALUES = 4 + 2 * KEYPOINTS.length;

/**
 * A face, and everything that is known of where it is, in one list: left, top, right, bottom, then x and y of each key
 * point. What is averaged or moved then is averaged or moved alike.
 * @typedef {{ score: number, places: number[] }} Candidate
 */

/**
 * The faces that the anchors see, in fractions of the input; the arithmetic of MediaPipe's
 * calculators/tensor/tensors_to_detections_calculator.cc.
 * @param {Float32Array} values anchors × 16, in input pixels from the anchor's centre
 * @param {Float32Array} logits one an anchor
 * @param {Float32Array} centres as `anchorCentres` gives them
 * @param {{ side: number, minimumScore: number }} options
 * @returns {Candidate[]} in the order of the anchors
 */
export function decode(values, logits, centres, { side, minimumScore }) {
  const count = centres.length / 2;
  if (logits.length !== count || values.length !== count * VALUES) {
    throw new RangeError(
      `Expected ${count} scores and ${count * VALUES} values, got ${logits.length} and ${values.length}.`,
    );
  }
  const candidates = [];
  for (let i = 0; i < count; i++) {
    const score = 1 / (1 + Math.exp(-logits[i]));
    if (!(score >= minimumScore)) continue;
    const at = (k) => centres[2 * i + (k % 2)] + values[i * VALUES + k] / side;
    const [x, y] = [at(0), at(1)];
    const halfWidth = values[i * VALUES + 2] / side / 2;
    const halfHeight = values[i * VALUES + 3] / side / 2;
    if (!(halfWidth >= 0 && halfHeight >= 0)) continue;
    const places = [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight];
    for (let k = 4; k < VALUES; k++) places.push(at(k));
    candidates.push({ score, places });
  }
  return candidates;
}

/**
 * One face for all candidates that overlap: their mean, weighted by their scores, with the best of these scores. It is
 * steadier from frame to frame than the best candidate alone (Bazarevsky et al., "BlazeFace", 2019, section 3.4).
 * @param {Candidate[]} candidates
 * @param {{ overlap?: number }} [options] intersection over union above which two are the same face
 * @returns {Candidate[]} the surest first
 */
export function merge(candidates, { overlap = 0.3 } = {}) {
  const faces = [];
  let left = [...candidates].sort((a, b) => b.score - a.score);
  while (left.length > 0) {
    const [best] = left;
    const same = left.filter((one) => one === best || intersectionOverUnion(one.places, best.places) > overlap);
    const others = new Set(same);
    left = left.filter((one) => !others.has(one));
    const total = same.reduce((sum, { score }) => sum + score, 0);
    const places = best.places.map((_, k) => same.reduce((sum, one) => sum + one.score * one.places[k], 0) / total);
    faces.push({ score: best.score, places });
  }
  return faces;
}

/** Of two boxes: left, top, right, bottom. */
export function intersectionOverUnion(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return (width * height) / (area(a) + area(b) - width * height);
}
