// NumPy's .npy files of two-dimensional float16 or float32 arrays.

// { rows, width, values: Float32Array (rows * width) } of the bytes of a file.
export function readNpy(buffer, name) {
  const view = new DataView(buffer), magic = String.fromCharCode(...new Uint8Array(buffer, 1, 5));
  if (magic !== "NUMPY") throw new Error(`${name} is no .npy file; build the page again`);
  const wide = view.getUint8(6) > 1, length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const begin = (wide ? 12 : 10) + length;
  const header = new TextDecoder("latin1").decode(new Uint8Array(buffer, wide ? 12 : 10, length));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1], shape = /'shape': \((\d+), ?(\d+)?,?\)/.exec(header);
  if (!["<f2", "<f4"].includes(kind) || !shape || header.includes("'fortran_order': True")) {
    throw new Error(`${name} holds ${header.trim()}; expected float16 or float32 in rows`);
  }
  const rows = Number(shape[1]), width = Number(shape[2] ?? 1), n = rows * width;
  const values = kind === "<f4" ? new Float32Array(buffer.slice(begin, begin + 4 * n))
    : widened(new Uint16Array(buffer.slice(begin, begin + 2 * n)));
  if (values.length !== n) throw new Error(`${name} ends after ${values.length} of ${n} numbers`);
  return { rows, width, values };
}

// Half-precision numbers as single-precision ones; infinity and NaN do not occur in unit vectors.
function widened(halves) {
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const bits = halves[i], exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (fraction / 1024) * 2 ** -14;
    out[i] = bits & 0x8000 ? -size : size;
  }
  return out;
}
