// A finding in words, as console/report_text.py has it.

import { clock, VERDICTS } from "./dom.js";
import { t, words } from "./words.js";

const PARTLY = 0.15;  // share of measured seconds that sound like a person, above which it is "partly" synthetic

// Whether a recording with these alerts holds a person's voice too.
export function isPartly({ alerts, segments }) {
  const people = segments.filter((one) => one.verdict === "bonafide").length;
  return alerts.length > 0 && people > PARTLY * segments.filter((one) => one.p_spoof !== null).length;
}

// A headline and its interpretation in sentences.
export function inWords(finding) {
  const { llr, verdict, reason, alerts } = finding;
  if (llr === null) return { headline: VERDICTS[verdict], confidence: t("findings.nothing", { reason }) };
  const factor = Math.exp(Math.min(Math.abs(llr), 20)), { sides, strengths } = words.findings;
  const [side, other] = llr < 0 ? ["spoof", "bonafide"] : ["bonafide", "spoof"];
  const whole = t("findings.whole", {
    strength: strengths.find(([below]) => below === null || factor < below)[1], side: sides[side], other: sides[other],
    many: factor >= 10 ? Math.round(factor).toLocaleString("en-US") : factor.toFixed(1) });
  if (!isPartly(finding)) return { headline: VERDICTS[verdict], confidence: whole };
  const parts = alerts.map((span) => t("findings.span", { began: clock(span.began), ended: clock(span.ended) }));
  return { headline: t("findings.partly"), confidence: t("findings.parts", { parts: parts.join(", "), whole }) };
}
