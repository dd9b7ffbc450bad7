// A finding in words, as console/report_text.py has it.

import { clock, VERDICTS } from "./dom.js";
import { t, words } from "./words.js";

const PARTLY = 0.15;  // share of measured seconds that sound like a person, above which it is "partly" synthetic
const NEXT_TO_NOTHING = 0.05;  // nats

// Whether a recording with these alerts holds a person's voice too.
function isMixed({ segments }) {
  const people = segments.filter((one) => one.verdict === "bonafide").length;
  return people > PARTLY * segments.filter((one) => one.p_spoof !== null).length;
}

// Whether only parts of a recording are synthetic.
export const isPartly = (finding) => finding.alerts.length > 0 && (isMixed(finding) || finding.verdict !== "spoof");

// A headline and its interpretation in sentences.
export function inWords(finding) {
  const { llr, verdict, reason, segments } = finding;
  if (llr === null && verdict === "warming_up") {
    const length = (segments.at(-1)?.end ?? 0).toFixed(1);
    return { headline: t("findings.too_short"), confidence: t("findings.too_short_why", { length, reason }) };
  }
  if (llr === null) return { headline: VERDICTS[verdict], confidence: t("findings.nothing", { reason }) };
  return isPartly(finding) ? { headline: t("findings.partly"), confidence: parts(finding) + moved(finding) }
    : { headline: VERDICTS[verdict], confidence: whole(finding) + moved(finding) };
}

function parts(finding) {
  const spans = finding.alerts.map((span) => t("findings.span", { began: clock(span.began), ended: clock(span.ended) }));
  return t(isMixed(finding) ? "findings.parts" : "findings.some", { parts: spans.join(", ") });
}

function whole({ llr }) {
  const factor = Math.exp(Math.min(Math.abs(llr), 20)), { sides, strengths } = words.findings;
  const [side, other] = llr < 0 ? ["spoof", "bonafide"] : ["bonafide", "spoof"];
  return t("findings.whole", {
    strength: strengths.find(([below]) => below === null || factor < below)[1], side: sides[side], other: sides[other],
    many: factor >= 10 ? Math.round(factor).toLocaleString("en-US") : factor.toFixed(1) });
}

// What recordings that people confirmed did to it; nothing where none did.
function moved({ moved_llr: by }) {
  if (by == null || Math.abs(by) < NEXT_TO_NOTHING) return "";
  const factor = Math.exp(Math.min(Math.abs(by), 20)).toFixed(1);
  return ` ${t("findings.moved", { factor, side: words.findings.sides[by > 0 ? "bonafide" : "spoof"] })}`;
}
