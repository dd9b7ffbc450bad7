// What the streams say, as it comes: one connection, whichever part of the page looks at it.

import { h, tell } from "./dom.js";
import { t, word } from "./words.js";

const KEPT_S = 600, QUIET_S = 15, PAUSE_S = 10;

// Calls `told` with {now, streams, open_alerts} twice a second; each stream has `heard`, its last seconds as
// [second, verdict, probability or null, level], and `state`. Returns a function that ends it.
export function follow(told) {
  const heard = new Map(), events = new EventSource("v1/live");
  events.addEventListener("message", ({ data }) => {
    const { now, streams, open_alerts: open } = JSON.parse(data);
    tell("");
    for (const stream of streams) {
      stream.fresh = stream.heard.length > 0;
      stream.heard = merged(heard.get(stream.id) || [], stream.heard);
      heard.set(stream.id, stream.heard);
      stream.state = stateOf(stream, now, open.find((alert) => alert.stream_id === stream.id));
    }
    told({ now, streams, open });
  });
  events.addEventListener("problem", ({ data }) => tell(JSON.parse(data)));
  events.addEventListener("error", () => tell(t("live.not_live")));
  return () => events.close();
}

// Seconds that were known and newer ones, each once, the last ten minutes of them.
export function merged(known, newer) {
  const last = known.at(-1)?.[0] ?? -1;
  return [...known, ...newer.filter((point) => point[0] > last)].slice(-KEPT_S);
}

// What is to be said of a stream now: its group, its verdict (null: none), in words, and how late it is.
export function stateOf(stream, now, alert) {
  const latest = stream.heard.at(-1), since_s = (new Date(now) - new Date(stream.started_utc)) / 1000;
  const behind_s = latest ? since_s - latest[0] - 1 : null, runs = stream.state === "running";
  const quiet = runs && (behind_s ?? since_s) > QUIET_S, verdict = runs && !quiet && latest ? latest[1] : null;
  const speaks = stream.heard.slice(-PAUSE_S).some((point) => point[2] !== null);
  return { alert, verdict, latest, behind_s: runs && !quiet && behind_s >= 0 ? behind_s : null, ended: !runs,
    group: alert ? "alert" : !runs ? "ended" : verdict && speaks ? "speaking" : "silent",
    text: verdict ? word("verdicts", verdict) : t(quiet ? "live.quiet" : `live.${stream.state}`) };
}

// Level in dBFS as a bar; null: nothing is heard.
export function meter() {
  const bar = h("i"), node = h("div", { class: "meter" }, bar);
  return { node, show: (level) => { bar.style.width = `${level == null ? 0 : Math.max(0, Math.min(100, (level + 70) * (100 / 70)))}%`; } };
}
