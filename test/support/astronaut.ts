/** The photograph that the face demo takes where it is given none: one face, in a package that everybody can fetch. */
import path from 'node:path';
import { packageFolder } from './python.js';

export function astronaut(): string {
  return path.join(packageFolder('skimage', 'demo'), 'data', 'astronaut.png');
}
