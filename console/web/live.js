// Live: every stream as it is heard.

import { clock, colourOf, fact, h, moment, percent, short, tell, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";

const SHOWN_S = 600, QUIET_S = 15;

export async function show(main) {
  const cards = new Map(), list = h("div"), empty = h("div", { class: "card empty" },
    h("h2", {}, "No detector is running"),
    h("p", {}, "Start python detect.py with the same database, and its stream appears here."));
  const alerts = h("p", { class: "small muted", "aria-live": "polite" });
  main.append(h("h1", {}, "Live"), alerts, list,
    h("p", { class: "legend" },
      h("span", {}, h("i", { class: "bonafide" }), "a person"), h("span", {}, h("i", { class: "suspect" }), "suspect"),
      h("span", {}, h("i", { class: "spoof" }), "synthetic"),
      h("span", {}, h("i", { class: "none" }), "nothing could be measured"),
      h("span", {}, "height: probability of a synthetic voice")));
  const events = new EventSource("v1/live");
  let told = "";
  events.addEventListener("message", ({ data }) => {
    const { now, streams } = JSON.parse(data);
    tell("");
    if (streams.length) empty.remove();
    else list.replaceChildren(empty);
    const open = streams.filter((stream) => stream.open_alerts).length;
    const text = open ? `${open === 1 ? "An alert is" : `${open} alerts are`} open: a synthetic voice is heard.`
      : streams.length ? "No alert is open." : "";
    if (text !== told) alerts.textContent = told = text;
    for (const [id, card] of cards) {
      if (!streams.some((stream) => stream.id === id)) { card.node.remove(); cards.delete(id); }
    }
    for (const stream of streams) {
      if (!cards.has(stream.id)) {
        cards.set(stream.id, new Card(stream));
        list.append(cards.get(stream.id).node);
      }
      cards.get(stream.id).update(stream, now);
    }
  });
  events.addEventListener("problem", ({ data }) => tell(JSON.parse(data)));
  events.addEventListener("error", () => tell("The console does not answer; what is shown here is not live."));
  return () => events.close();
}

class Card {
  constructor(stream) {
    this.heard = [];
    this.verdict = h("p", { class: "verdict none" }, "…");
    this.canvas = h("canvas", { role: "img" });
    this.facts = h("dl", { class: "facts" });
    this.level = h("i");
    this.node = h("article", { class: "card stream", "aria-label": short(stream.source) },
      h("div", { class: "row spread" }, h("div", {}, h("h2", { title: stream.source }, short(stream.source)),
        h("p", { class: "small muted" }, `${stream.host} · ${stream.bundle} · since ${moment(stream.started_utc)}`)), this.verdict),
      this.canvas, this.facts);
    keepDrawn(this.canvas, () => this.draw());
  }

  update(stream, now) {
    this.heard.push(...stream.heard);
    while (this.heard.length && this.heard[0][0] <= stream.second - SHOWN_S) this.heard.shift();
    const latest = this.heard.at(-1), since = new Date(now) - new Date(stream.started_utc);
    const behind = latest ? since / 1000 - latest[0] - 1 : null;
    const quiet = stream.state === "running" && (behind === null ? since / 1000 : behind) > QUIET_S;
    const running = stream.state === "running" && !quiet, verdict = running && latest ? latest[1] : null;
    this.ended = stream.state !== "running";
    this.verdict.className = `verdict ${verdict ? colourOf(verdict) : "none"}`;
    this.verdict.textContent = verdict ? VERDICTS[verdict]
      : { running: quiet ? "Nothing arrives" : "Beginning", ended: "Ended", interrupted: "Broken off" }[stream.state];
    this.node.classList.toggle("alarm", running && stream.open_alerts > 0);
    const level = running && latest ? latest[3] : null;
    this.level.style.width = `${level === null ? 0 : Math.max(0, Math.min(100, (level + 70) * (100 / 70)))}%`;
    this.facts.replaceChildren(
      fact("synthetic", percent(running && latest ? latest[2] : null), "probability, mean of the last second"),
      h("div", {}, h("dt", {}, "level"), h("dd", {}, level === null ? "–" : `${level.toFixed(0)} dBFS`,
        h("div", { class: "meter" }, this.level))),
      fact("alerts", String(stream.alerts)),
      fact("dropped", stream.gaps ? `${stream.lost_s.toFixed(1)} s in ${stream.gaps} gaps` : "nothing"),
      fact("latency", running && behind !== null && behind >= 0 ? `${behind.toFixed(1)} s` : "–",
        "from the end of a second of sound to this page"),
      fact("heard", latest ? clock(latest[0] + 1) : "–"));
    const measured = this.heard.filter((point) => point[2] !== null);
    this.canvas.setAttribute("aria-label", measured.length
      ? `Probability of a synthetic voice over the last ${clock(this.heard.length)}: now ${percent(latest[2])}, ` +
        `highest ${percent(Math.max(...measured.map((point) => point[2])))}` : "Nothing has been measured yet");
    this.draw();
  }

  draw() {
    const last = (this.heard.at(-1)?.[0] ?? 0) + 1, first = Math.max(last - SHOWN_S, Math.min(this.heard[0]?.[0] ?? 0, last - 60));
    const every = last - first > 240 ? 120 : last - first > 150 ? 60 : last - first > 60 ? 20 : 15;
    const ticks = [[last, this.ended ? "end" : "now"]];
    for (let back = every; back <= last - first - every / 4; back += every) ticks.push([last - back, `−${clock(back)}`]);
    timeline(this.canvas, this.heard, first, last, { ticks });
  }
}
