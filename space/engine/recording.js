// The finding for a whole recording, in numbers and in the console's words, as console/prediction.py and
// console/report_text.py have it.

import words from "../words.json" with { type: "json" };
import { clock } from "../dom.js";
import { RATE_HZ, seconds } from "./time.js";

const PARTLY = 0.15;  // share of measured seconds that sound like a person, above which it is "partly" synthetic
const FINDINGS = words.findings;

// The finding, with the names of the console's API. `events`: all of a monitor; `samples`: the length of the
// recording; `decider`: maps LLRs to verdicts.
export function summary(events, samples, decider) {
  const scores = events.filter((one) => one.type === "score");
  if (!scores.length) throw new Error("the recording has no samples: it is damaged; obtain the complete file");
  const longest = Math.max(...scores.map((score) => score.windowSamples));
  const whole = scores.filter((score) => score.windowSamples === longest), llr = meanLlr(whole);
  const { verdict, reason } = llr === null ? whole.at(-1) : { verdict: decider.verdict(llr), reason: null };
  const alerts = events.filter((one) => one.state === "close")
    .map(({ began, end, peak }) => ({ began: seconds(began), ended: seconds(end), peak_p_spoof: peak }));
  const parts = segments(scores, samples, decider);
  return { verdict, ...inWords({ llr, verdict, reason, alerts, parts }), reason, llr,
    p_spoof: llr === null ? null : decider.pSpoof(llr), duration_s: seconds(samples), segments: parts, alerts,
    neighbours: clearest(whole, llr), scores: scores.map(({ end, verdict, reason, llr }) => ({ t: seconds(end), verdict, reason, llr })) };
}

function meanLlr(scores) {
  const measured = scores.filter((score) => score.llr !== null);
  return measured.length ? measured.reduce((sum, score) => sum + score.llr, 0) / measured.length : null;
}

// Each second has the mean LLR of the windows centred in it; the last seconds share the last window.
function segments(scores, samples, decider) {
  const middles = Map.groupBy(scores, (one) => Math.floor((one.end - Math.floor(one.windowSamples / 2)) / RATE_HZ));
  let here = scores.slice(0, 1);
  return Array.from({ length: Math.ceil(samples / RATE_HZ) }, (_, second) => {
    here = middles.get(second) ?? here.slice(-1);
    const llr = meanLlr(here), measured = llr !== null;
    return { start: second, end: Math.min(second + 1, seconds(samples)),
      p_spoof: measured ? decider.pSpoof(llr) : null, verdict: measured ? decider.verdict(llr) : here.at(-1).verdict };
  });
}

// The neighbours of the score that agrees most strongly with the mean.
function clearest(scores, llr) {
  const side = llr < 0 ? -1 : 1, measured = scores.filter((score) => score.llr !== null);
  return measured.reduce((best, score) => (!best || side * score.llr > side * best.llr ? score : best), null)?.neighbours ?? [];
}

// A headline and its interpretation in sentences.
function inWords({ llr, verdict, reason, alerts, parts }) {
  if (llr === null) return { headline: words.verdicts[verdict], confidence: put(FINDINGS.nothing, { reason }) };
  const factor = Math.exp(Math.min(Math.abs(llr), 20));
  const [side, other] = llr < 0 ? ["spoof", "bonafide"] : ["bonafide", "spoof"];
  const confidence = put(FINDINGS.whole, {
    strength: FINDINGS.strengths.find(([below]) => below === null || factor < below)[1],
    side: FINDINGS.sides[side], other: FINDINGS.sides[other],
    many: factor >= 10 ? Math.round(factor).toLocaleString("en-US") : factor.toFixed(1) });
  const people = parts.filter((one) => one.verdict === "bonafide").length;
  if (!alerts.length || people <= PARTLY * parts.filter((one) => one.p_spoof !== null).length) {
    return { headline: words.verdicts[verdict], confidence };
  }
  const spans = alerts.map((span) => put(FINDINGS.span, { began: clock(span.began), ended: clock(span.ended) }));
  return { headline: FINDINGS.partly, confidence: put(FINDINGS.parts, { parts: spans.join(", "), whole: confidence }) };
}

const put = (text, values) => text.replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
