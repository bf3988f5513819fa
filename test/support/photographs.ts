/** Photographs as input tensors: decoded and resized once, here, for every runtime that they are given to. */
import { createCanvas, loadImage } from '@napi-rs/canvas';

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Channels last (NHWC), else first (NCHW). */
  readonly last: boolean;
  readonly bgr: boolean;
  /** (value − mean) / scale. */
  readonly mean: number;
  readonly scale: number;
}

/** A picture, stretched to the size of the input. */
export async function photograph(file: string, layout: Layout): Promise<Float32Array> {
  const { width, height, last, bgr, mean, scale } = layout;
  const context = createCanvas(width, height).getContext('2d');
  context.drawImage(await loadImage(file), 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  const pixels = width * height;
  const tensor = new Float32Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = ((rgba[4 * i + (bgr ? 2 - channel : channel)] as number) - mean) / scale;
      tensor[last ? 3 * i + channel : channel * pixels + i] = value;
    }
  }
  return tensor;
}

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
