/** The precision pass on the models of ONNX's own tests of single operators: what it writes is valid. */
import fs from 'node:fs';
import path from 'node:path';
import { convertPrecision, InferenceError, sensitiveOperators } from '../../lib/index.js';
import { Folder } from '../support/folder.js';
import { complaints, operatorModels } from '../support/onnx-check.js';

const folder = new Folder();
const models = operatorModels(folder);

// Sensitive operators too: more is converted so.
it.each(['f16', 'bf16'] as const)('%s', (precision) => {
  const written: Uint8Array[] = [];
  const names: string[] = [];
  let refused = 0;
  for (const file of models) {
    try {
      const { model, report } = convertPrecision(fs.readFileSync(file), {
        precision,
        convert: [...sensitiveOperators],
      });
      if (report.converted === 0) continue;
      written.push(model);
      names.push(path.basename(file));
    } catch (error) {
      // Old operator sets.
      if (!(error instanceof InferenceError && error.code === 'ERR_UNSUPPORTED')) throw error;
      refused++;
    }
  }
  expect(refused).toBeLessThan(100);
  expect(written.length).toBeGreaterThan(800);
  const found = complaints(folder, written).map((complaint, i) => complaint && `${names[i]}: ${complaint}`);
  expect(found.filter((complaint) => complaint !== null)).toEqual([]);
});
