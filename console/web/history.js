// The streams of one day: when they ran, their alerts, and what of it waits for review.

import { ask, h, nameOf, Problem, table, tell, timeOf } from "./dom.js";
import { t } from "./words.js";

const DAY_MS = 86_400_000;

export class Days {
  // `changed` hears whether a day of the past is shown.
  constructor(changed) {
    this.changed = changed;
    this.node = h("section", { class: "card", hidden: true, "aria-label": t("live.day") });
    const input = h("input", { type: "date", name: "day", onchange: () => this.show(input.value).catch(told) });
    this.field = h("label", { class: "check" }, t("live.day"), input);
  }

  async show(day) {
    this.changed(Boolean(day));
    this.node.hidden = !day;
    if (!day) return;
    const since = new Date(`${day}T00:00`), until = new Date(since.getTime() + DAY_MS);
    const { streams } = await ask(`v1/streams?${new URLSearchParams({ since: since.toISOString(), until: until.toISOString() })}`);
    const alerts = streams.reduce((sum, stream) => sum + stream.alerts, 0);
    this.node.replaceChildren(h("h2", {}, t("live.day_of", { day: since.toLocaleDateString([], { dateStyle: "full" }) })),
      h("p", { class: "muted" }, t("live.day_sum", { n: streams.length, alerts })),
      ...(streams.length ? [table([t("live.name"), t("live.site"), t("live.from"), t("live.to"), t("live.alerts"), t("states.pending")], streams.map((stream) => [
        h("span", { title: stream.source }, nameOf(stream)), stream.host, timeOf(stream.started_utc),
        stream.ended_utc ? timeOf(stream.ended_utc) : t(stream.state === "running" ? "live.still" : "live.interrupted"),
        stream.alerts ? h("a", { class: "spoof", href: `#/review/of/${stream.id}` }, stream.alerts) : "–", stream.pending || "–"]))] : []));
  }
}

function told(error) {
  if (!(error instanceof Problem)) throw error;
  tell(error.message);
}
