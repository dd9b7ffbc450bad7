// Fusion and calibration: the scores of the parts -> one log-likelihood ratio, as radd/calibration.py has it.
// References that people confirmed are a matter of the console's database; a bundle has none.

// The log-likelihood ratio, nats, higher = bona fide, of a window with `speech` seconds of speech. `scores` holds
// that of the spectrum alone or those of spectrum, encoder and retrieval; `calibration` stands in the manifest.
export function llr(calibration, speech, scores) {
  const rows = scores.length > 1 ? calibration.fused : calibration.alone;
  const at = (column) => interpolated(speech, calibration.speech_s, rows.map((row) => row[column]));
  return scores.reduce((sum, score, column) => sum + at(column) * score, at(scores.length));
}

// The value at x of the line through the points (xs, ys), constant beyond its ends; xs ascend.
function interpolated(x, xs, ys) {
  if (x <= xs[0]) return ys[0];
  const k = xs.findIndex((one) => one >= x);
  if (k < 0) return ys.at(-1);
  return ys[k - 1] + ((x - xs[k - 1]) / (xs[k] - xs[k - 1])) * (ys[k] - ys[k - 1]);
}
