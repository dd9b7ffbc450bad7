// The card of one recording: the finding in words, its time line beside the audio, and the numbers.

import { clock, colourOf, fact, h, percent, reference, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { inWords, isPartly } from "./findings.js";
import { t } from "./words.js";

// Fill a card with what the worker found in a file.
export function fill(card, file, finding) {
  const { channel, channels, ...rest } = finding, { verdict, alerts, neighbours: [closest] } = finding;
  const warnings = channel ? [t("space.channels", { n: channels, channel })] : [];
  const told = { ...inWords(finding), warnings, ...rest }, colour = isPartly(finding) ? "spoof" : colourOf(verdict);
  const audio = h("audio", { controls: true, src: URL.createObjectURL(file), "aria-label": file.name, preload: "metadata" });
  card.replaceChildren(
    h("div", { class: "row spread" }, h("h2", {}, file.name), h("p", { class: `verdict ${colour}` }, told.headline)),
    h("p", {}, told.confidence), ...warnings.map((text) => h("p", { class: "suspect" }, text)),
    followed(audio, finding), h("div", { class: "sound" }, audio),
    h("dl", { class: "facts" },
      fact(t("space.whole"), percent(finding.p_spoof)),
      fact(t("space.log_ratio"), finding.llr === null ? "–" : finding.llr.toFixed(2), t("space.log_ratio_title")),
      fact(t("space.length"), clock(finding.duration_s)),
      fact(t("space.alerts"), alerts.map(({ began, ended }) => t("findings.span", { began: clock(began), ended: clock(ended) })).join(", ")
        || t("space.none")),
      fact(t("space.closest"), closest ? `${reference(closest)}, ${closest.similarity.toFixed(2)}` : "–"),
      fact("SHA-256", finding.sha256)),
    h("div", { class: "row actions" }, h("button", { onclick: () => save(file, told) }, t("space.save"))));
}

// The time line of a finding; it follows the audio, and a click moves the audio.
function followed(audio, { segments, alerts, duration_s }) {
  const canvas = h("canvas", { role: "img", "aria-label": spoken(segments) });
  const points = segments.map((one) => [one.start, one.verdict, one.p_spoof]), marks = alerts.map((span) => [span.began, span.ended]);
  let at = () => 0;
  const draw = () => {
    at = timeline(canvas, points, 0, Math.max(1, duration_s), { ticks: ticks(duration_s), marks, playhead: audio.currentTime || null });
  };
  const follow = () => { draw(); if (!audio.paused && canvas.isConnected) requestAnimationFrame(follow); };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", draw);
  canvas.addEventListener("click", (event) => { audio.currentTime = Math.max(0, at(event.offsetX)); });
  keepDrawn(canvas, draw);
  return canvas;
}

function ticks(duration) {
  const every = [5, 10, 30, 60, 300, 600].find((step) => duration / step <= 8) || 1800;
  return Array.from({ length: Math.ceil(duration / every) }, (_, k) => [k * every, clock(k * every)]);
}

function spoken(segments) {
  const counts = Object.entries(Object.groupBy(segments, (one) => VERDICTS[one.verdict]));
  return t("space.seconds", { counts: counts.map(([word, some]) => `${word} ${some.length} s`).join(", ") });
}

function save(file, told) {
  const text = JSON.stringify({ file: file.name, ...told }, null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: `${file.name}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
