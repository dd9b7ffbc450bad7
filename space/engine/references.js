// The known real and known fake voices of a bundle: exact search by cosine, as radd/index.py has it.

import { readNpy } from "./npy.js";

const LABELS = ["bonafide", "spoof"], MARGIN_NEIGHBOURS = 5;

export class References {
  // The bytes of index.npy and the text of references.csv; line k names vector k.
  constructor(vectors, text) {
    const { rows, width, values } = readNpy(vectors, "index.npy"), named = readCsv(text);
    if (named.length !== rows) {
      throw new Error(`the index has ${rows} vectors but ${named.length} references; build the page again`);
    }
    this.width = width;
    this.vectors = values;
    this.named = named;
    this.sides = LABELS.map((label) => named.flatMap((one, row) => (one.label === label ? [row] : [])));
  }

  // The margin, mean cosine to the closest real references minus that to the closest fake ones, and the
  // n closest of both labels.
  search(vector, n) {
    const found = this.sides.map((rows) => this.#nearest(vector, rows, Math.max(n, MARGIN_NEIGHBOURS)));
    const [real, fake] = found.map((side) => mean(side.slice(0, MARGIN_NEIGHBOURS).map((hit) => hit.similarity)));
    const neighbours = found.flat().sort((a, b) => b.similarity - a.similarity).slice(0, n)
      .map(({ row, similarity }) => ({ ...this.named[row], similarity: Math.round(similarity * 1e4) / 1e4 }));
    return { margin: real - fake, neighbours };
  }

  #nearest(vector, rows, n) {
    const hits = [];
    for (const row of rows) {
      let similarity = 0;
      for (let i = 0, at = row * this.width; i < this.width; i++) similarity += vector[i] * this.vectors[at + i];
      if (hits.length === n && similarity <= hits[n - 1].similarity) continue;
      const place = hits.findIndex((hit) => hit.similarity < similarity);
      hits.splice(place < 0 ? hits.length : place, 0, { row, similarity });
      hits.length = Math.min(hits.length, n);
    }
    return hits;
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Rows of a CSV file with quoted fields (RFC 4180); id, label and system of each.
function readCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
  }
  const [head, ...lines] = rows, at = ["id", "label", "system"].map((name) => head.indexOf(name));
  if (at.includes(-1)) throw new Error(`references.csv has the columns ${head}; expected id, label and system`);
  return lines.filter((line) => line.length === head.length)
    .map((line) => ({ id: line[at[0]], label: line[at[1]], system: line[at[2]] }));
}
