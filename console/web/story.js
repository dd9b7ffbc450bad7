// What is to be known of the model that judges, in sentences: since when, how right it is on what, what waits, what was decided.

import { dayOf, h, moment } from "./dom.js";
import { t, word } from "./words.js";

const of = (metrics, wanted) => Object.entries(metrics).find(([name, values]) => wanted(name, values))?.[1];
const oneIn = (share) => (share > 0 ? Math.max(1, Math.round(1 / share)) : null);
const isLine = (name) => /a-law|telephone|phone/i.test(name);

// At most five figures of the card, each as a sentence; what was not measured is left out.
export function figures(metrics) {
  const clips = of(metrics, (_, values) => values?.eer_percent != null), told = [];
  const streams = of(metrics, (name, values) => values?.missed_percent != null && !isLine(name));
  const line = of(metrics, (name, values) => values?.missed_percent != null && isLine(name));
  if (clips) told.push(t("story.eer", { n: oneIn(clips.eer_percent / 100) ?? "∞", p: clips.eer_percent.toFixed(1), ci: range(clips.eer_percent_ci95) }));
  const worst = clips?.worst_systems && Object.entries(clips.worst_systems)[0];
  if (worst) told.push(t("story.worst", { name: worst[0], p: Math.round(worst[1].missed_percent) }));
  if (streams) {
    told.push(t("story.missed", { p: Math.round(streams.missed_percent), n: streams.n_fakes, s: streams.median_time_to_detection_s?.toFixed(1) ?? "–" }));
    told.push(t("story.false_alarms", { n: streams.false_alarms, h: streams.hours_real.toFixed(2), most: streams.false_alarms_per_hour_ci95?.[1].toFixed(1) ?? "–" }));
  }
  if (line) told.push(t("story.line", { p: Math.round(line.missed_percent), n: line.false_alarms }));
  return told;
}

const range = (ci) => (ci ? t("story.range", { from: ci[0].toFixed(1), to: ci[1].toFixed(1) }) : "");

// The model in use, and since when: its promotion, or the date of its file.
export function inUse(models) {
  const used = models.bundles.find((one) => one.in_use), put = models.decisions.find((one) => ["promote", "rollback"].includes(one.action) && one.model === models.in_use);
  if (!used) return h("p", { class: "spoof" }, t("story.broken"));
  const since = put ? t("story.put", { when: moment(put.decided_utc), why: put.reason }) : t("story.since", { when: dayOf(used.since) });
  const told = figures(used.metrics);
  return h("div", {}, h("p", {}, h("b", {}, used.directory), ` (${used.name} ${used.version}) `, since),
    told.length ? h("ul", { class: "story" }, ...told.map((text) => h("li", {}, text))) : h("p", { class: "muted" }, t("story.unmeasured")));
}

// What waits to be learned, as a bar and in words.
export function waiting({ labels }) {
  const pending = labels.reviews.pending || 0;
  return h("div", {}, h("h3", {}, t("story.waits")),
    h("progress", { max: Math.max(1, labels.needed), value: Math.min(labels.new, labels.needed), "aria-label": t("story.waits") }),
    h("p", {}, t("story.labels", { n: labels.new, needed: labels.needed }), " ", pending ? h("a", { href: "#/review" }, t("story.pending", { n: pending })) : ""),
    ...labels.left_out.map((text) => h("p", { class: "small muted" }, t("story.excluded", { why: text }))));
}

// What the last round decided, and the gates that spoke for and against it.
export function lastRound({ decisions, retrainings }) {
  const [round] = retrainings, decided = decisions.find((one) => one.gates.length);
  if (!round && !decided) return h("div", {}, h("h3", {}, t("story.last")), h("p", { class: "muted" }, t("story.no_round")));
  const gates = decided?.gates || [], failed = gates.filter((gate) => !gate.passed).map((gate) => gate.name);
  const judged = gates.length ? t(failed.length ? "story.failed" : "story.passed", { n: gates.length, names: failed.join("; ") }) : "";
  const said = round ? t("story.round", { when: moment(round.ended_utc || round.began_utc), why: round.why, state: word("rounds", round.state) })
    : t("story.decided", { when: moment(decided.decided_utc), model: decided.model, action: word("actions", decided.action) });
  return h("div", {}, h("h3", {}, t("story.last")), h("p", {}, said, " ", round?.outcome ? `${round.outcome.replace(/\.?$/, ".")} ` : "", judged));
}

// Which processes judge with what, and when they will follow a promotion.
export function processes({ judging, processes: running, switch_s: within }) {
  const text = [...running.map((one) => t("story.process", { n: one.streams, host: one.host, bundle: one.bundle })), t("story.console", { bundle: judging })];
  return h("div", {}, h("h3", {}, t("story.who")), h("p", {}, text.join(" "), " ", within ? t("story.within", { s: within }) : t("story.next_start")));
}
