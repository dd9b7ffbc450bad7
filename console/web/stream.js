// One stream, large: its last ten minutes and what was counted.

import { ask, clock, colourOf, fact, h, moment, nameOf, percent, Problem } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { merged, meter } from "./feed.js";
import { t } from "./words.js";

const SHOWN_S = 600;

export class Stream {
  constructor(stream, close) {
    this.heard = stream.heard;
    this.verdict = h("p", { class: "verdict none" });
    this.canvas = h("canvas", { role: "img" });
    this.facts = h("dl", { class: "facts" });
    this.level = meter();
    this.node = h("article", { class: "card stream", "aria-label": nameOf(stream) },
      h("div", { class: "row spread" },
        h("div", {}, h("h2", { title: stream.source }, nameOf(stream)), h("p", { class: "small muted" },
          [stream.host, stream.device, stream.bundle, t("live.since", { when: moment(stream.started_utc) })].filter(Boolean).join(" · "))),
        h("div", { class: "row" }, this.verdict, h("button", { class: "quiet", onclick: close, "aria-label": t("live.close") }, "✕"))),
      this.canvas, this.facts,
      h("div", { class: "row actions" }, h("a", { class: "button", href: `#/review/of/${stream.id}` }, t("live.clips_of")),
        ...(stream.state.ended ? [] : ["pause", "resume", "stop"].map((action) => this.command(stream.id, action)))), this.said = h("p", { role: "status" }), h("p", { class: "small legend" }, t("live.legend")));
    keepDrawn(this.canvas, () => this.draw());
    this.earlier(stream.id);
  }

  // Asks the stream's daemon to pause, to go on or to stop for good; stopping is asked for once more.
  command(id, action) {
    const button = h("button", { onclick: async () => {
      if (action === "stop" && !button.dataset.sure) {
        button.dataset.sure = "yes";
        button.textContent = t("live.stop_sure");
        return;
      }
      try {
        await ask(`v1/streams/${id}/${action}`, { method: "POST" });
        this.said.textContent = t(`live.asked_${action}`);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        this.said.textContent = error.message;
      }
    } }, t(`live.${action}`));
    return button;
  }

  async earlier(id) {
    const { heard } = await ask(`v1/live/${id}`).catch(() => ({ heard: [] }));
    if (heard.length) this.heard = merged(heard, this.heard);
    this.draw();
  }

  update(stream) {
    const { state } = stream, { latest } = state, level = state.verdict ? latest[3] : null;
    this.heard = merged(this.heard, stream.heard);
    this.ended = state.ended;
    this.verdict.className = `verdict ${state.verdict ? colourOf(state.verdict) : "none"}`;
    this.verdict.textContent = state.text;
    this.node.classList.toggle("alarm", Boolean(state.alert));
    this.level.show(level);
    this.facts.replaceChildren(
      fact(t("live.synthetic"), percent(state.verdict ? latest[2] : null), t("live.synthetic_hint")),
      h("div", {}, h("dt", {}, t("live.level")), h("dd", {}, level === null ? "–" : `${level.toFixed(0)} dBFS`, this.level.node)),
      fact(t("live.alerts"), String(stream.alerts)),
      fact(t("live.dropped"), stream.gaps ? t("live.lost", { n: stream.gaps, s: stream.lost_s.toFixed(1) }) : t("live.nothing_lost")),
      fact(t("live.latency"), state.behind_s === null ? "–" : `${state.behind_s.toFixed(1)} s`, t("live.latency_hint")),
      fact(t("live.heard"), latest ? clock(latest[0] + 1) : "–"));
    const measured = this.heard.filter((point) => point[2] !== null);
    this.canvas.setAttribute("aria-label", measured.length ? t("live.chart", { span: clock(this.heard.length),
      now: percent(latest[2]), most: percent(Math.max(...measured.map((point) => point[2]))) }) : t("live.unmeasured"));
    this.draw();
  }

  draw() {
    const last = (this.heard.at(-1)?.[0] ?? 0) + 1, first = Math.max(last - SHOWN_S, Math.min(this.heard[0]?.[0] ?? 0, last - 60));
    const every = last - first > 240 ? 120 : last - first > 150 ? 60 : last - first > 60 ? 20 : 15;
    const ticks = [[last, t(this.ended ? "live.end" : "live.now")]];
    for (let back = every; back <= last - first - every / 4; back += every) ticks.push([last - back, `−${clock(back)}`]);
    timeline(this.canvas, this.heard, first, last, { ticks });
  }
}
