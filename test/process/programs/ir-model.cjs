// Makes OpenVINO IR models without weights: y = ((x · x) · x) · …, a chain of matrix products as long as asked for.
'use strict';

/** The .xml of a model with the input `x` and the output `y`, both f32 [rows, rows]; one run costs 2·rows³·products FLOP. */
function chain({ rows, products }) {
  const dims = `<dim>${rows}</dim><dim>${rows}</dim>`;
  const port = (id, names = '') => `<port id="${id}" precision="FP32"${names}>${dims}</port>`;
  const layers = [
    `<layer id="0" name="x" type="Parameter" version="opset1"><data shape="${rows},${rows}" element_type="f32"/>` +
      `<output>${port(0, ' names="x"')}</output></layer>`,
  ];
  const edges = [];
  for (let i = 1; i <= products; i++) {
    layers.push(
      `<layer id="${i}" name="p${i}" type="MatMul" version="opset1"><data transpose_a="false" transpose_b="false"/>` +
        `<input>${port(0)}${port(1)}</input><output>${port(2, i === products ? ' names="y"' : '')}</output></layer>`,
    );
    edges.push(`<edge from-layer="${i - 1}" from-port="${i === 1 ? 0 : 2}" to-layer="${i}" to-port="0"/>`);
    edges.push(`<edge from-layer="0" from-port="0" to-layer="${i}" to-port="1"/>`);
  }
  const last = products + 1;
  layers.push(`<layer id="${last}" name="result" type="Result" version="opset1"><input>${port(0)}</input></layer>`);
  edges.push(`<edge from-layer="${products}" from-port="2" to-layer="${last}" to-port="0"/>`);
  return Buffer.from(
    `<?xml version="1.0"?>\n<net name="chain" version="11">\n<layers>\n${layers.join('\n')}\n</layers>\n` +
      `<edges>\n${edges.join('\n')}\n</edges>\n</net>\n`,
  );
}

module.exports = { chain };
