// The finding for a whole recording in numbers, as console/prediction.py has it.

import { RATE_HZ, seconds } from "./time.js";

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
  return { verdict, reason, llr, p_spoof: llr === null ? null : decider.pSpoof(llr), duration_s: seconds(samples),
    segments: segments(scores, samples, decider), alerts,
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
