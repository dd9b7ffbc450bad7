// A judgement as one HTML file that needs nothing else, to keep, to print or to send.

import { clock, colourOf, percent, reference, VERDICTS } from "./dom.js";

const COLOURS = { bonafide: "#0b7480", suspect: "#9a6300", spoof: "#c22f3d", none: "#8a94a1" };
const safe = (text) => String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

export function report(name, prediction, kind) {
  const { headline, confidence, segments, alerts, neighbours, duration_s: duration } = prediction, width = 900 / Math.max(1, segments.length);
  const bars = segments.map((one, i) => {
    const height = one.p_spoof === null ? 4 : Math.max(3, 100 * one.p_spoof);
    return `<rect x="${(i * width).toFixed(2)}" y="${100 - height}" width="${Math.max(1, width - 1).toFixed(2)}" height="${height}" fill="${COLOURS[colourOf(one.verdict)]}"/>`;
  });
  const rows = segments.map((one) =>
    `<tr><td>${clock(one.start)}</td><td>${safe(VERDICTS[one.verdict])}</td><td>${percent(one.p_spoof)}</td></tr>`);
  return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>${safe(name)}: ${safe(headline)}</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2230}
h1{font-size:1.5rem;overflow-wrap:anywhere}svg{width:100%;height:120px;border-bottom:1px solid #999}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem 1.5rem .2rem 0;border-bottom:1px solid #ddd;text-align:left}
.head{color:${COLOURS[kind]};font-weight:700;font-size:1.3rem}</style>
<h1>${safe(name)}</h1><p class="head">${safe(headline)}</p><p>${safe(confidence)}</p>
<svg viewBox="0 0 900 100" preserveAspectRatio="none" role="img" aria-label="probability of a synthetic voice, second by second">${bars.join("")}</svg>
<p>0:00 to ${clock(duration)}; height: probability of a synthetic voice; grey: nothing could be measured.</p>
<table><tr><th>whole recording, synthetic</th><td>${percent(prediction.p_spoof)}</td></tr>
<tr><th>log likelihood ratio</th><td>${prediction.llr === null ? "–" : prediction.llr.toFixed(3)}</td></tr>
<tr><th>alerts</th><td>${alerts.map((span) => `${clock(span.began)} to ${clock(span.ended)}`).join(", ") || "none"}</td></tr>
<tr><th>closest known</th><td>${neighbours.length ? `${safe(reference(neighbours[0]))}, similarity ${neighbours[0].similarity.toFixed(2)}` : "–"}</td></tr>
<tr><th>SHA-256</th><td>${safe(prediction.sha256)}</td></tr><tr><th>length</th><td>${duration.toFixed(3)} s</td></tr>
<tr><th>model</th><td>${safe(prediction.model)}</td></tr><tr><th>judged</th><td>${safe(prediction.judged_utc)}</td></tr></table>
${prediction.warnings.map((text) => `<p>${safe(text)}</p>`).join("")}
<h2>What this does not say</h2><ul>${prediction.limits.map((text) => `<li>${safe(text)}</li>`).join("")}</ul>
<h2>Second by second</h2><table><tr><th>from</th><th>verdict</th><th>synthetic</th></tr>${rows.join("")}</table></html>`;
}
