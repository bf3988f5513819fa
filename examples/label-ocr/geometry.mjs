/** Rotated rectangles: the smallest one around a set of points, its corners, and the order in which people read several. */

/**
 * A rotated rectangle. `angle` (radians, clockwise as y points down) is that of the side called `width` and lies in
 * [−π/4, π/4]: `width` is what lies flat, whether or not it is the longer side.
 * @typedef {{ x: number, y: number, width: number, height: number, angle: number }} Rectangle
 * `x` and `y` are the centre.
 */

/**
 * The convex hull (Andrew's monotone chain).
 * @param {[number, number][]} points sorted by y, then by x
 * @returns {[number, number][]}
 */
export function convexHull(points) {
  if (points.length < 3) return points;
  const half = (ordered) => {
    const chain = [];
    for (const point of ordered) {
      while (chain.length >= 2 && turn(chain[chain.length - 2], chain[chain.length - 1], point) <= 0) chain.pop();
      chain.push(point);
    }
    chain.pop();
    return chain;
  };
  return [...half(points), ...half([...points].reverse())];
}

function turn(a, b, c) {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/**
 * The rectangle of least area around a convex polygon. One of its sides lies along a side of the polygon (Freeman and
 * Shapira, 1975), so each side is tried. A hull of a text line has a few dozen corners: trying all of them against all
 * costs microseconds.
 * @param {[number, number][]} hull
 * @returns {Rectangle}
 */
export function minimumAreaRectangle(hull) {
  let best = null;
  for (let i = 0; i < hull.length; i++) {
    const [ax, ay] = hull[i];
    const [bx, by] = hull[(i + 1) % hull.length];
    const length = Math.hypot(bx - ax, by - ay);
    // A hull of one point has no side; any direction will do.
    const cos = length > 0 ? (bx - ax) / length : 1;
    const sin = length > 0 ? (by - ay) / length : 0;
    let minU = Infinity;
    let maxU = -Infinity;
    let minV = Infinity;
    let maxV = -Infinity;
    for (const [x, y] of hull) {
      const u = x * cos + y * sin;
      const v = y * cos - x * sin;
      minU = Math.min(minU, u);
      maxU = Math.max(maxU, u);
      minV = Math.min(minV, v);
      maxV = Math.max(maxV, v);
    }
    const area = (maxU - minU) * (maxV - minV);
    if (best === null || area < best.area) best = { area, cos, sin, minU, maxU, minV, maxV };
  }
  const { cos, sin, minU, maxU, minV, maxV } = best;
  const u = (minU + maxU) / 2;
  const v = (minV + maxV) / 2;
  let width = maxU - minU;
  let height = maxV - minV;
  // A quarter turn swaps the sides and leaves the rectangle as it is.
  const quarters = Math.round(Math.atan2(sin, cos) / (Math.PI / 2));
  if (quarters % 2 !== 0) [width, height] = [height, width];
  const angle = Math.atan2(sin, cos) - (quarters * Math.PI) / 2;
  return { x: u * cos - v * sin, y: u * sin + v * cos, width, height, angle };
}

/**
 * The corners: top left, top right, bottom right, bottom left.
 * @param {Rectangle} rectangle
 * @returns {[number, number][]}
 */
export function corners({ x, y, width, height, angle }) {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ].map(([u, v]) => [x + (u * width * cos - v * height * sin) / 2, y + (u * width * sin + v * height * cos) / 2]);
}

/**
 * Whether a line of text in this rectangle runs from top to bottom, not from left to right.
 * @param {Rectangle} rectangle
 */
export function standsOnEnd({ width, height }) {
  return height >= 1.5 * width;
}

/**
 * Sorts lines of text by rows from top to bottom and within a row from left to right, as seen by who holds the text
 * upright: on a label that hangs askew the right end of one line can be lower than the left end of the next.
 * @template {Rectangle} T
 * @param {T[]} rectangles
 * @returns {T[]}
 */
export function inReadingOrder(rectangles) {
  if (rectangles.length === 0) return [];
  const onEnd = 2 * rectangles.filter(standsOnEnd).length > rectangles.length;
  const angles = rectangles.map((rectangle) => rectangle.angle).sort((a, b) => a - b);
  const direction = angles[angles.length >> 1] + (onEnd ? Math.PI / 2 : 0);
  const cos = Math.cos(direction);
  const sin = Math.sin(direction);
  const placed = rectangles
    .map((rectangle) => ({
      rectangle,
      along: rectangle.x * cos + rectangle.y * sin,
      across: rectangle.y * cos - rectangle.x * sin,
      height: onEnd ? rectangle.width : rectangle.height,
    }))
    .sort((a, b) => a.across - b.across);
  const rows = [];
  for (const item of placed) {
    const row = rows[rows.length - 1];
    const first = row?.[0];
    if (first && item.across - first.across < Math.min(first.height, item.height) / 2) row.push(item);
    else rows.push([item]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.along - b.along).map((item) => item.rectangle));
}
