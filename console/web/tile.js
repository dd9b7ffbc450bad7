// One stream, small: its name, its verdict, a minute as a line of bars, level and lag.

import { colourOf, h, nameOf, percent } from "./dom.js";
import { keepDrawn, sparkline } from "./draw.js";
import { meter } from "./feed.js";
import { t } from "./words.js";

const LATE_S = 5;

export class Tile {
  constructor(stream, open) {
    this.verdict = h("span", { class: "verdict none" });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.level = meter();
    this.lag = h("span", { class: "lag" });
    this.node = h("button", { class: "tile", "data-id": stream.id, title: stream.source, "aria-expanded": "false", onclick: open },
      h("span", { class: "name" }, nameOf(stream)), this.verdict,
      h("span", { class: "host" }, stream.host), this.lag, this.canvas, this.level.node);
    keepDrawn(this.canvas, () => this.draw());
  }

  update(stream) {
    const { state } = stream;
    this.heard = stream.heard;
    this.ended = state.ended;
    const kind = state.verdict ? colourOf(state.verdict) : "none";
    if (this.verdict.textContent !== state.text) this.verdict.textContent = state.text;
    if (this.verdict.className !== `verdict ${kind}`) this.verdict.className = `verdict ${kind}`;
    this.node.classList.toggle("alarm", Boolean(state.alert));
    this.level.show(state.verdict ? state.latest[3] : null);
    const late = state.behind_s > LATE_S ? t("live.late", { s: state.behind_s.toFixed(0) }) : "";
    const alerts = stream.alerts ? t("live.alerts_n", { n: stream.alerts }) : "";
    this.lag.textContent = [alerts, late].filter(Boolean).join(" · ") || (state.verdict ? percent(state.latest[2]) : "");
    if (stream.fresh || !this.drawn) this.draw();
  }

  draw() {
    if (!this.heard) return;
    this.drawn = true;
    sparkline(this.canvas, this.heard);
  }
}
