// The loop that learns: the bundles, how the last candidate was proved, drift, history, and what an admin may do.

import { ask, fact, h, moment, Problem, send, short, table, tell } from "./dom.js";
import { days, keepDrawn } from "./draw.js";

const LOOK_MS = 1500;
const STEPS = { due: "checking for enough labels", clips: "scoring the confirmed clips", fit: "learning",
  prove: "running the gates", shadow: "scoring in shadow mode", promote: "switching to the new model" };
const STATES = { promoted: "put to use", shadow: "passed the gates and scores in shadow mode", refused: "refused", failed: "failed", not_due: "nothing to learn", interrupted: "broken off" };
const ACTIONS = { promote: "put to use", shadow: "passed the gates, in shadow mode", rollback: "put back", refuse: "refused" };

export class Loop {
  constructor(mayChoose) {
    this.mayChoose = mayChoose;
    this.used = h("section", { class: "card" });
    this.shelf = h("section", { class: "card" });
    this.proof = h("section", { class: "card", hidden: true });
    this.drift = h("section", { class: "card" });
    this.history = h("section", { class: "card" });
    this.progress = h("p", { role: "status" });
    this.nodes = [this.used, this.shelf, this.proof, this.drift, this.history];
  }

  async open(changed) {
    this.changed = changed;
    this.timer = setInterval(() => this.look().catch(told), LOOK_MS);
    await Promise.all([this.look(true), this.showDrift()]);
  }

  leave() { clearInterval(this.timer); }

  // Ask again only while something goes on: a retraining, or a bundle that is not taken over yet.
  async look(always = false) {
    if (!always && !this.going) return;
    const models = await ask("v1/models"), before = this.models;
    const running = models.retrainings.find((one) => one.state === "running" && one.id === this.asked) || models.retrainings.find((one) => one.state === "running");
    const used = models.bundles.find((one) => one.in_use);
    const late = models.follows && used?.name && models.judging !== `${used.name} ${used.version}`;
    this.going = Boolean(running || late);
    this.models = models;
    this.progress.textContent = running ? `Retraining: ${STEPS[running.step] || running.step} …`
      : late ? `${used.directory} is in use; this console switches within seconds …` : this.outcome(models);
    if (JSON.stringify(before) === JSON.stringify(models)) return;
    this.show(models, running);
    if (before && before.judging !== models.judging) this.changed();
  }

  outcome(models) {
    const mine = models.retrainings.find((one) => one.id === this.asked);
    return mine ? `Retraining: ${STATES[mine.state] || mine.state}. ${mine.outcome || ""}` : "";
  }

  show(models, running) {
    const { labels } = models, back = models.decisions.some((one) => one.action === "promote" && one.model === models.in_use);
    const focused = document.activeElement?.dataset.name;
    const button = (name, text, enabled, act) => h("button", { disabled: !enabled, onclick: act, "data-name": name }, text);
    this.used.replaceChildren(...[h("h2", {}, "In use"),
      h("dl", { class: "facts" }, fact("bundle", models.in_use || "none: the file that names it is broken"), fact("judges here", models.judging),
        fact("new labels", `${labels.new} of ${labels.needed}`, "newly agreed clips, and the number that starts a retraining")),
      ...labels.left_out.map((text) => h("p", { class: "small muted" }, `Excluded: ${text}.`)), this.progress,
      this.mayChoose && models.follows && h("div", { class: "row actions" },
        button("retrain", "Retrain …", !running && !models.cannot_retrain, () => this.retrain(models)),
        button("rollback", "Roll back …", back, () => this.rollBack(models))),
      this.mayChoose && models.cannot_retrain && h("p", { class: "small muted" }, `Not possible here: ${models.cannot_retrain}.`),
      !models.follows && h("p", { class: "small muted" }, "This console was started with --bundle and uses only that bundle.")].filter(Boolean));
    this.shelf.replaceChildren(h("h2", {}, "Bundles here"), table(["directory", "", "version", "measured", "since"], models.bundles.map((one) => [
      one.directory, one.in_use ? h("strong", {}, "in use") : this.mayChoose && models.follows && !one.problem
        ? h("button", { onclick: () => this.promote(models, one), "data-name": one.directory, "aria-label": `Promote ${one.directory}` }, "Promote …") : "",
      one.problem ? h("span", { class: "spoof" }, one.problem) : `${one.name} ${one.version}`, measured(one), one.since])));
    const proved = models.decisions.find((one) => one.gates.length);
    this.proof.hidden = !proved;
    if (proved) this.showProof(proved);
    this.showHistory(models);
    if (focused) document.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
  }

  showProof({ model, before, action, decided_utc: decided, gates }) {
    const number = (value) => (value === null ? "–" : value.toPrecision(3));
    this.proof.replaceChildren(h("h2", {}, "Gates of the last candidate"),
      h("p", { class: "muted" }, `${model} against ${before}, ${moment(decided)}: ${ACTIONS[action] || action}. Lower is better.`),
      table(["gate", "", "in use", "candidate", "difference, 95 %"], gates.map((gate) => [gate.name,
        h("strong", { class: gate.passed ? "bonafide" : "spoof" }, gate.passed ? "passed" : "failed"),
        number(gate.champion), number(gate.candidate), gate.interval.map(number).join(" to ")])));
  }

  showHistory({ decisions, retrainings }) {
    const rows = [
      ...decisions.map((one) => [one.decided_utc, `${one.model} ${ACTIONS[one.action] || one.action}`, one.reason]),
      ...retrainings.map((one) => [one.ended_utc || one.began_utc, `retraining ${one.candidate}: ${one.state === "running"
        ? STEPS[one.step] || one.step : STATES[one.state] || one.state}`, [one.why, one.outcome].filter(Boolean).join(" – ")]),
    ].sort((a, b) => (a[0] < b[0] ? 1 : -1));
    this.history.replaceChildren(h("h2", {}, "History"), rows.length
      ? table(["when", "what", "who and why"], rows.map(([when, ...rest]) => [moment(when), ...rest]))
      : h("p", { class: "muted" }, "No decisions yet."));
  }

  async showDrift() {
    const drift = await ask("v1/drift?days=30"), span = [Date.parse(drift.first), Date.parse(drift.last)];
    const known = drift.bound === null ? "This bundle does not state its usual distance."
      : `${drift.usual.toFixed(3)} is usual for this bundle; above ${drift.bound.toFixed(3)}, the line, is drift.`;
    this.drift.replaceChildren(h("h2", {}, "Drift"),
      h("p", { class: "muted" }, `Distance of each source from all known voices, day by day (1 − cosine). ${known}`),
      ...(drift.sources.length ? drift.sources.map((one) => driftOf(one, span, drift.bound))
        : [h("p", { class: "muted" }, "There was no detection in the last 30 days.")]));
  }

  retrain({ labels }) {
    this.confirm("Retrain", [`${labels.new} new labels; a retraining needs ${labels.needed}, or drift. It runs beside the console and takes minutes.`,
      "The new model is used only if it passes every gate."], async (wish) => {
      this.asked = (await send("v1/retrain", wish)).id;
    });
  }

  rollBack({ in_use: used }) {
    this.confirm("Roll back", [`The bundle used before ${used} is put into use again. Daemons switch within seconds.`],
      (wish) => send("v1/models/rollback", { ...wish, instead_of: used }));
  }

  promote({ in_use: used }, { directory, warning }) {
    const unproved = warning ? [`Attention: ${warning}.`] : [];
    this.confirm(`Promote ${directory}`, [`${directory} replaces ${used || "the broken one"}. Daemons switch within seconds.`, ...unproved],
      (wish) => send(`v1/models/${encodeURIComponent(directory)}/promote`, { ...wish, instead_of: used }));
  }

  confirm(title, texts, act) {
    const person = h("input", { type: "text", name: "person", required: true, maxlength: 200, autocomplete: "name", value: localStorage.getItem("reviewer") || "" });
    const reason = h("input", { type: "text", name: "why", maxlength: 5000 }), problem = h("p", { class: "spoof", role: "alert" });
    const dialog = h("dialog", { "aria-labelledby": "confirm", onclose: () => dialog.remove() }, h("h2", { id: "confirm" }, `${title}?`),
      ...texts.map((text) => h("p", {}, text)),
      h("form", {}, h("label", {}, "Your name, for the history", person), h("label", {}, "Why (optional)", reason), problem,
        h("div", { class: "row actions" }, h("button", { class: "main" }, title),
          h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = person.value.trim();
      try {
        if (!name) throw new Problem("Enter your name: it is stored in the history.");
        localStorage.setItem("reviewer", name);
        await act({ person: name, reason: reason.value.trim() });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problem.textContent = error.message;
        return;
      }
      dialog.close();
      this.look(true).catch(told);
    });
    document.body.append(dialog);
    dialog.showModal();
  }
}

function told(error) {
  if (!(error instanceof Problem)) throw error;
  tell(error.message);
}

function measured({ metrics }) {
  const texts = Object.entries(metrics).filter(([, values]) => values.eer_percent != null)
    .map(([name, values]) => `EER ${values.eer_percent.toFixed(1)} % (${name})`);
  return texts.join(", ") || "–";
}

function driftOf({ source, days: points }, span, bound) {
  const far = points.filter((one) => one.is_drift), last = points.at(-1);
  const canvas = h("canvas", { role: "img", "aria-label": `${short(source)}: ${points.length} days, `
    + `last ${last.distance.toFixed(3)} on ${last.day}, ${far.length ? `drift on ${far.map((one) => one.day).join(", ")}` : "no drift"}` });
  const draw = () => days(canvas, points, span, bound);
  keepDrawn(canvas, draw);
  queueMicrotask(draw);
  return h("div", { class: "drift" }, h("h3", { title: source }, short(source),
    far.length ? h("span", { class: "suspect" }, far.at(-1) === last ? " drifts away" : ` drifted, last on ${far.at(-1).day}`) : null), canvas);
}
