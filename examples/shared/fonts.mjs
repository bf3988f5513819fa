/** Registers the DejaVu fonts of the npm package `dejavu-fonts-ttf`, so that text looks the same on every machine. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { GlobalFonts } from '@napi-rs/canvas';

const folder = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');

export const REGULAR = 'Label Sans';
export const BOLD = 'Label Sans Bold';

GlobalFonts.registerFromPath(join(folder, 'DejaVuSans.ttf'), REGULAR);
GlobalFonts.registerFromPath(join(folder, 'DejaVuSans-Bold.ttf'), BOLD);
