/** What a TFLite model's file says, as `edge-infer inspect` prints it. */
import type {
  EdgeTpuLayer,
  EdgeTpuPackage,
  TfliteGraph,
  TfliteInfo,
  TfliteSignaturePort,
  TfliteTensor,
} from '../tflite/types.js';
import { bytesText, indent, quantizationText, shapeText, table } from './output.js';

/** Names from a stranger's file: without what would command the terminal. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

function tensorRows(label: string, tensors: readonly TfliteTensor[]): string[][] {
  return tensors.map(({ name, dtype, shape, quantization }, i) => [
    i === 0 ? label : '',
    printable(name),
    dtype,
    shapeText(shape),
    quantizationText(quantization),
  ]);
}

function graphText(graph: TfliteGraph, title: string): string {
  const operators = graph.operators.map(
    ({ name, count, custom }) => `${printable(name)}${custom ? ' (custom)' : ''}${count > 1 ? ` ×${count}` : ''}`,
  );
  const tensors = [
    ...tensorRows('inputs', graph.inputs),
    ...tensorRows('outputs', graph.outputs),
    ...tensorRows('variables', graph.variables),
  ];
  const text = [table(tensors), `operators  ${operators.join(', ') || 'none'}`].filter((part) => part !== '');
  return `${title}\n${indent(text.join('\n'))}`;
}

function portsText(ports: readonly TfliteSignaturePort[]): string {
  return ports.map(({ name }) => printable(name)).join(', ');
}

function layerRows(label: string, layers: readonly EdgeTpuLayer[]): string[][] {
  return layers.map(({ name, dtype, y, x, z, size, quantization }, i) => [
    i === 0 ? label : '',
    printable(name),
    dtype,
    `${y}x${x}x${z}`,
    bytesText(size),
    quantizationText(quantization),
  ]);
}

function packageText(one: EdgeTpuPackage): string {
  const rows = [
    ['runtime', `version ${one.minimumRuntimeVersion} or newer`],
    ['compiler', printable(one.compilerVersion) || '?'],
    [
      'parameters',
      `${bytesText(one.cachedBytes)} cached on the chip, ${bytesText(one.streamedBytes)} streamed per run`,
    ],
    ['scratch', bytesText(one.scratchBytes)],
    ['caching token', one.cachingToken ?? 'none'],
    ['executables', one.executables.map(({ type }) => type).join(', ') || 'none'],
  ];
  const layers = [...layerRows('inputs', one.inputs), ...layerRows('outputs', one.outputs)];
  return indent([table(rows), table(layers)].filter((part) => part !== '').join('\n'));
}

/** Blocks of text, to be parted by empty lines. */
export function tfliteText(info: TfliteInfo): string[] {
  const [main, ...others] = info.graphs;
  const rows = [
    ['format', `TFLite, schema version ${info.schemaVersion}`],
    ...(info.description === '' ? [] : [['description', printable(info.description)]]),
    ...info.signatures.map(({ key, inputs, outputs }, i) => [
      i === 0 ? 'signatures' : '',
      `${printable(key)}(${portsText(inputs)}) → ${portsText(outputs)}`,
    ]),
    ...info.metadata.map(({ name, size, text }, i) => [
      i === 0 ? 'metadata' : '',
      `${printable(name)} (${bytesText(size)})${text === null ? '' : `: ${text}`}`,
    ]),
    ...info.files.map(({ name, size }, i) => [i === 0 ? 'files' : '', `${printable(name)} (${bytesText(size)})`]),
  ];
  return [
    table(rows),
    ...(main === undefined ? [] : [graphText(main, 'in the file')]),
    ...others.map((graph) => graphText(graph, `graph ${printable(graph.name)}`)),
    ...info.edgeTpu.map((one) => `compiled for the Edge TPU\n${packageText(one)}`),
  ];
}
