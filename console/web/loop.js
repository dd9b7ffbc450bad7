// The loop that learns: what judges and why, the other bundles, how candidates were proved, drift, and what an admin may do.

import { ask, brief, h, moment, Problem, send, short, table, tell } from "./dom.js";
import { days, keepDrawn, rounds } from "./draw.js";
import { inUse, lastRound, processes, waiting } from "./story.js";
import { t, word } from "./words.js";

const LOOK_MS = 1500;

export class Loop {
  constructor(mayChoose) {
    this.mayChoose = mayChoose;
    const card = () => h("section", { class: "card" });
    this.used = card();
    this.learning = card();
    this.shelf = card();
    this.drift = card();
    this.proof = h("details", { hidden: true });
    this.history = h("details");
    this.progress = h("p", { role: "status" });
    this.nodes = [this.used, this.learning, this.shelf, this.drift];
    this.details = [this.proof, this.history];
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
    this.progress.textContent = running ? t("models.running", { step: word("steps", running.step) })
      : late ? t("models.switching", { name: used.directory }) : this.outcome(models);
    if (JSON.stringify(before) === JSON.stringify(models)) return;
    this.show(models, running);
    if (before && before.judging !== models.judging) this.changed();
  }

  outcome(models) {
    const mine = models.retrainings.find((one) => one.id === this.asked);
    return mine ? t("models.outcome", { state: word("rounds", mine.state), outcome: mine.outcome || "" }) : "";
  }

  show(models, running) {
    const back = models.decisions.some((one) => one.action === "promote" && one.model === models.in_use);
    const focused = document.activeElement?.dataset.name;
    const button = (name, text, enabled, act) => h("button", { disabled: !enabled, onclick: act, "data-name": name }, text);
    this.used.replaceChildren(...[h("h2", {}, t("models.in_use")), inUse(models), processes(models), this.progress,
      !models.follows && h("p", { class: "small muted" }, t("models.fixed"))].filter(Boolean));
    this.learning.replaceChildren(...[h("h2", {}, t("models.learning")), waiting(models), lastRound(models), this.chart(models),
      this.mayChoose && models.follows && h("div", { class: "row actions" },
        button("retrain", t("models.retrain_button"), !running && !models.cannot_retrain, () => this.retrain(models)),
        button("rollback", t("models.rollback_button"), back, () => this.rollBack(models))),
      this.mayChoose && models.cannot_retrain && h("p", { class: "small muted" }, t("models.cannot", { why: models.cannot_retrain }))].filter(Boolean));
    this.shelf.replaceChildren(h("h2", {}, t("models.bundles")), table([t("models.directory"), "", t("models.version"), t("models.measured"), t("models.since")], models.bundles.map((one) => [
      one.directory, one.in_use ? h("strong", {}, t("models.used")) : this.mayChoose && models.follows && !one.problem
        ? h("button", { onclick: () => this.promote(models, one), "data-name": one.directory, "aria-label": t("models.promote_one", { name: one.directory }) }, t("models.promote_button")) : "",
      one.problem ? h("span", { class: "spoof" }, one.problem) : `${one.name} ${one.version}`,
      one.warning ? h("span", {}, measured(one), h("br"), h("span", { class: "suspect small" }, one.warning)) : measured(one), one.since])));
    this.showProof(models.decisions.find((one) => one.gates.length));
    this.showHistory(models);
    if (focused) document.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
  }

  // The first gate of every decided round: the model in use then and its candidate.
  chart({ decisions }) {
    const points = decisions.filter((one) => one.gates[0]?.champion != null).map((one) => ({ at: Date.parse(one.decided_utc), was: one.gates[0].champion,
      now: one.gates[0].candidate, promoted: one.action !== "refuse" })).reverse();
    if (points.length < 2) return null;
    const name = decisions.find((one) => one.gates.length).gates[0].name, last = points.at(-1);
    const canvas = h("canvas", { class: "rounds", role: "img", "aria-label": t("models.rounds", { n: points.length, name, was: last.was.toPrecision(3), now: last.now?.toPrecision(3) ?? "–" }) });
    const draw = () => rounds(canvas, points, (at) => brief(at));
    keepDrawn(canvas, draw);
    return h("figure", {}, canvas, h("figcaption", { class: "small muted" }, t("models.rounds_caption", { name })));
  }

  showProof(decision) {
    this.proof.hidden = !decision;
    if (!decision) return;
    const number = (value) => (value === null ? "–" : value.toPrecision(3)), { model, before, action, decided_utc: decided, gates } = decision;
    this.proof.replaceChildren(h("summary", {}, t("models.gates")),
      h("p", { class: "muted" }, t("models.gates_of", { model, before, when: moment(decided), action: word("actions", action) })),
      table([t("models.gate"), "", t("models.used"), t("models.candidate"), t("models.difference")], gates.map((gate) => [gate.name,
        h("strong", { class: gate.passed ? "bonafide" : "spoof" }, t(gate.passed ? "models.passed" : "models.failed")),
        number(gate.champion), number(gate.candidate), gate.interval.map(number).join(" – ")])));
  }

  showHistory({ decisions, retrainings }) {
    const rows = [
      ...decisions.map((one) => [one.decided_utc, `${one.model}: ${word("actions", one.action)}`, one.reason]),
      ...retrainings.map((one) => [one.ended_utc || one.began_utc, t("models.round_of", { name: one.candidate,
        state: one.state === "running" ? word("steps", one.step) : word("rounds", one.state) }), [one.why, one.outcome].filter(Boolean).join(" – ")]),
    ].sort((a, b) => (a[0] < b[0] ? 1 : -1));
    this.history.replaceChildren(h("summary", {}, t("models.history")), rows.length
      ? table([t("models.when"), t("models.what"), t("models.who")], rows.map(([when, ...rest]) => [moment(when), ...rest]))
      : h("p", { class: "muted" }, t("models.no_history")));
  }

  async showDrift() {
    const drift = await ask("v1/drift?days=30"), span = [Date.parse(drift.first), Date.parse(drift.last)];
    const known = drift.bound === null ? t("models.no_usual") : t("models.usual", { usual: drift.usual.toFixed(3), bound: drift.bound.toFixed(3) });
    this.drift.replaceChildren(h("h2", {}, t("models.drift")), h("p", { class: "muted" }, `${t("models.drift_what")} ${known}`),
      ...(drift.sources.length ? drift.sources.map((one) => driftOf(one, span, drift.bound)) : [h("p", { class: "muted" }, t("models.no_drift"))]));
  }

  retrain({ labels }) {
    this.confirm(t("models.retrain"), [t("models.retrain_what", { n: labels.new, needed: labels.needed }), t("models.retrain_gates")], async (wish) => {
      this.asked = (await send("v1/retrain", wish)).id;
    });
  }

  rollBack(models) {
    this.confirm(t("models.rollback"), [t("models.rollback_what", { name: models.in_use }), switching(models)],
      (wish) => send("v1/models/rollback", { ...wish, instead_of: models.in_use }));
  }

  promote(models, { directory, warning }) {
    const { in_use: used } = models;
    this.confirm(t("models.promote_one", { name: directory }), [t("models.promote_what", { name: directory, used: used || t("models.broken") }), switching(models)],
      (wish) => send(`v1/models/${encodeURIComponent(directory)}/promote`, { ...wish, instead_of: used }), warning);
  }

  // With a warning the person must say that it was read.
  confirm(title, texts, act, warning = null) {
    const person = h("input", { type: "text", name: "person", required: true, maxlength: 200, autocomplete: "name", value: localStorage.getItem("reviewer") || "" });
    const reason = h("input", { type: "text", name: "why", maxlength: 5000 }), problem = h("p", { class: "spoof", role: "alert" });
    const dialog = h("dialog", { "aria-labelledby": "confirm", onclose: () => dialog.remove() }, h("h2", { id: "confirm" }, `${title}?`),
      ...texts.map((text) => h("p", {}, text)), warning && h("p", { class: "suspect", role: "alert" }, t("models.attention", { warning })),
      h("form", {}, h("label", {}, t("models.your_name"), person), h("label", {}, t("models.why"), reason),
        warning && h("label", { class: "check" }, h("input", { type: "checkbox", name: "read", required: true }), t("models.anyway")), problem,
        h("div", { class: "row actions" }, h("button", { class: "main" }, title),
          h("button", { type: "button", onclick: () => dialog.close() }, t("all.cancel")))));
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = person.value.trim();
      try {
        if (!name) throw new Problem(t("models.name_needed"));
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

// When each process follows a promotion.
function switching({ switch_s: within, processes: running }) {
  const hosts = [...new Set(running.map((one) => one.host))].join(", ");
  return within ? t("models.within", { s: within, hosts: hosts || "–" }) : t("story.next_start");
}

function measured({ metrics }) {
  const texts = Object.entries(metrics).filter(([, values]) => values.eer_percent != null)
    .map(([name, values]) => `EER ${values.eer_percent.toFixed(1)} % (${name})`);
  return texts.join(", ") || "–";
}

function driftOf({ source, days: points }, span, bound) {
  const far = points.filter((one) => one.is_drift), last = points.at(-1);
  const canvas = h("canvas", { role: "img", "aria-label": t("models.drift_chart", { name: short(source), n: points.length, last: last.distance.toFixed(3),
    day: last.day, far: far.map((one) => one.day).join(", ") || "–" }) });
  const draw = () => days(canvas, points, span, bound);
  keepDrawn(canvas, draw);
  return h("div", { class: "drift" }, h("h3", { title: source }, short(source),
    far.length ? h("span", { class: "suspect" }, ` ${t(far.at(-1) === last ? "models.drifts" : "models.drifted", { day: far.at(-1).day })}`) : null), canvas);
}
