/**
 * Weights that a model keeps in files beside it ("external data"), as exporters do that write large models. The rules for
 * their names are those of native/core/external_data.h.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError } from '../errors.js';
import { bytesOf } from '../source.js';
import { damaged, deepestGraph, largestModel, messageOf, tooLarge, type Message } from './message.js';
import { fields } from './schema.js';

const external = 1; // TensorProto.DataLocation

/** All tensors of a model that are somewhere else. */
function externalTensors(model: Message): Message[] {
  const found: Message[] = [];
  const take = (tensors: readonly Message[]): void => {
    for (const tensor of tensors) if (tensor.integer(fields.tensor.dataLocation) === external) found.push(tensor);
  };
  const takeSparse = (tensors: readonly Message[]): void => {
    for (const sparse of tensors) {
      take(sparse.messages(fields.sparseTensor.values));
      take(sparse.messages(fields.sparseTensor.indices));
    }
  };
  const ofNodes = (nodes: readonly Message[], depth: number): void => {
    for (const attribute of nodes.flatMap((node) => node.messages(fields.node.attribute))) {
      take(attribute.messages(fields.attribute.t));
      take(attribute.messages(fields.attribute.tensors));
      takeSparse(attribute.messages(fields.attribute.sparseTensor));
      for (const field of [fields.attribute.g, fields.attribute.graphs]) {
        for (const graph of attribute.messages(field)) ofGraph(graph, depth + 1);
      }
    }
  };
  const ofGraph = (graph: Message, depth: number): void => {
    if (depth > deepestGraph) throw damaged(`graphs are nested more than ${deepestGraph} deep`);
    take(graph.messages(fields.graph.initializer));
    takeSparse(graph.messages(fields.graph.sparseInitializer));
    ofNodes(graph.messages(fields.graph.node), depth);
  };
  for (const graph of model.messages(fields.model.graph)) ofGraph(graph, 0);
  for (const one of model.messages(fields.model.functions)) ofNodes(one.messages(fields.function.node), 0);
  return found;
}

interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number | null;
}

function placeOf(tensor: Message): Place {
  const name = tensor.text(fields.tensor.name);
  const entries = new Map(
    tensor
      .messages(fields.tensor.externalData)
      .map((entry) => [entry.text(fields.entry.key), entry.text(fields.entry.value)]),
  );
  const number = (key: string): number | null => {
    const text = entries.get(key);
    if (text === undefined) return null;
    if (!/^\d{1,15}$/.test(text)) throw damaged(`the weights '${name}' have '${text}' for their ${key}`);
    return Number(text);
  };
  return { location: entries.get('location') ?? '', offset: number('offset') ?? 0, length: number('length') };
}

/** Opens a file below the folder; whatever else a name leads to is refused. */
function openBeside(folder: string, location: string): number {
  const refuse = (why: string): InferenceError =>
    new InferenceError('ERR_INVALID_MODEL', `The model keeps weights in '${location}', which ${why}.`, {
      remedy: 'Copy the files of the model into one folder, as the exporter wrote them; load none of a stranger.',
    });
  const leaves = location === '' || path.isAbsolute(location) || location.split('/').includes('..');
  if (leaves || location.includes('\0')) throw refuse("is not in the model's folder");
  const file = path.join(folder, location);
  let handle: number;
  try {
    const real = fs.realpathSync(file);
    if (!real.startsWith(path.join(fs.realpathSync(folder), path.sep)))
      throw refuse("leaves the model's folder by a link");
    handle = fs.openSync(real, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    throw refuse('cannot be opened');
  }
  const stat = fs.fstatSync(handle);
  if (stat.isFile() && stat.nlink <= 1) return handle;
  fs.closeSync(handle);
  throw refuse(stat.isFile() ? 'has a second name elsewhere' : 'is no regular file');
}

function readAt(handle: number, { location, offset, length }: Place): Uint8Array {
  const { size } = fs.fstatSync(handle);
  const wanted = length ?? size - offset;
  if (wanted < 0 || offset + wanted > size) throw damaged(`'${location}' is too short for the weights in it`);
  if (wanted > largestModel) throw tooLarge();
  const bytes = new Uint8Array(wanted);
  for (let at = 0; at < wanted;) {
    const count = fs.readSync(handle, bytes, at, wanted - at, offset + at);
    if (count === 0) throw damaged(`'${location}' became shorter while it was read`);
    at += count;
  }
  return bytes;
}

/** What the model says of these weights becomes the weights. `folder`: the model's. Throws `ERR_INVALID_MODEL`. */
export function takeIn(model: Message, folder: string): void {
  const handles = new Map<string, number>();
  let total = 0;
  try {
    for (const tensor of externalTensors(model)) {
      const place = placeOf(tensor);
      let handle = handles.get(place.location);
      if (handle === undefined) handles.set(place.location, (handle = openBeside(folder, place.location)));
      const bytes = readAt(handle, place);
      // Of f32 only a half stays; what does not fit is said when the result is written.
      total += bytes.length;
      if (total > 2 * largestModel) throw tooLarge();
      tensor.remove(fields.tensor.externalData);
      tensor.remove(fields.tensor.dataLocation);
      tensor.setBytes(fields.tensor.rawData, bytes);
    }
  } finally {
    for (const handle of handles.values()) fs.closeSync(handle);
  }
}

/** Whether the file may name others: the word is in every such reference. Spares most models from being read whole. */
async function mayNameFiles(file: string): Promise<boolean> {
  const word = 'location';
  let end = Buffer.alloc(0);
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) {
    const piece = Buffer.concat([end, chunk as Buffer]);
    if (piece.includes(word)) return true;
    end = piece.subarray(-word.length);
  }
  return false;
}

/** SHA-256 of the files that have weights of this model, by name; '' where there are none. Throws as `takeIn` does. */
export async function weightsFingerprint(file: string): Promise<string> {
  if (!(await mayNameFiles(file))) return '';
  const model = await bytesOf(file, 'Convert it on a machine with the tools of its framework.');
  const locations = new Set(externalTensors(messageOf(model)).map((tensor) => placeOf(tensor).location));
  const parts: string[] = [];
  for (const location of [...locations].sort()) {
    const hash = createHash('sha256');
    const stream = fs.createReadStream('', { fd: openBeside(path.dirname(file), location), highWaterMark: 1 << 20 });
    for await (const chunk of stream) hash.update(chunk as Buffer);
    parts.push(`${location} ${hash.digest('hex')}`);
  }
  return parts.join(' ');
}
