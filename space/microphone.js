// The browser's microphone: judged while it is heard, with a meter, a time line and what was found in the end.

import { clock, colourOf, h, percent, tell, VERDICTS } from "./dom.js";
import { keepDrawn, timeline } from "./draw.js";
import { RATE_HZ } from "./engine/time.js";
import { t } from "./words.js";

const SHOWN_HOPS = 480, HOPS_A_SECOND = 8, ID = "microphone", QUIETEST_DBFS = -70;

export class Microphone {
  // `ask` sends the worker a message, `listen` names who hears its answers.
  constructor({ button, node, ask, listen }) {
    Object.assign(this, { button, node, ask });
    listen(ID, (message) => this.#heard(message));
  }

  toggle() {
    return this.media ? this.#stop() : this.#start();
  }

  // Fetch what the microphone needs, so that starting it needs no network.
  async prepare() {
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("recorder.js");
    await this.context.suspend();
  }

  async #start() {
    tell("");
    this.button.disabled = true;
    try {
      await this.#open();
      this.#show();
      this.button.textContent = t("space.stop");
    } catch (error) {
      this.#release();
      tell(t(navigator.mediaDevices ? "space.no_microphone" : "space.insecure", { reason: error.message }));
    }
    this.button.disabled = false;
  }

  async #open() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    this.media = await navigator.mediaDevices.getUserMedia({ audio });
    await this.context.resume();
    this.ask({ type: "open", id: ID, rate: this.context.sampleRate });
    this.recorder = new AudioWorkletNode(this.context, "recorder");
    this.recorder.port.onmessage = ({ data }) => this.ask({ type: "sound", id: ID, samples: data }, [data.buffer]);
    this.context.createMediaStreamSource(this.media).connect(this.recorder);
    const stop = () => this.#stop();
    this.media.getTracks().forEach((track) => track.addEventListener("ended", stop));
  }

  #show() {
    this.points = [];
    this.alerts = 0;
    this.verdict = h("p", { class: "verdict none", role: "status" }, t("space.listening"));
    this.canvas = h("canvas", { role: "img", "aria-label": t("space.speaking") });
    this.level = h("i");
    this.reading = h("span", { class: "small muted" }, "–");
    this.note = h("p", { class: "muted", "aria-live": "polite" }, t("space.speak"));
    this.node.replaceChildren(h("div", { class: "row spread" }, h("h2", {}, t("space.heard")), this.verdict), this.canvas,
      h("div", { class: "row" }, h("span", { class: "small muted" }, t("space.level")), h("div", { class: "meter" }, this.level), this.reading), this.note);
    this.node.hidden = false;
    keepDrawn(this.canvas, () => this.#draw());
  }

  #heard({ type, events = [], text }) {
    if (type === "problem") {
      tell(t("space.not_judged", { reason: text }));
      this.#stop();
    }
    for (const event of events) {
      if (event.type === "alert") this.#alert(event);
      else this.#score(event);
    }
    if (type === "ended") this.verdict.textContent = t("space.stopped", { time: clock(this.points.at(-1)?.[0] / HOPS_A_SECOND || 0) });
    if (events.length) this.#draw();
  }

  #score({ end, verdict, pSpoof, levelDbfs, reason }) {
    this.points.push([(end / RATE_HZ) * HOPS_A_SECOND - 1, verdict, pSpoof]);
    if (this.points.length > SHOWN_HOPS) this.points.shift();
    this.verdict.className = `verdict ${colourOf(verdict)}`;
    if (this.verdict.textContent !== VERDICTS[verdict]) this.verdict.textContent = VERDICTS[verdict];
    this.level.style.width = `${Math.max(0, Math.min(100, 100 * (1 - levelDbfs / QUIETEST_DBFS)))}%`;
    this.reading.textContent = t("space.reading", { level: levelDbfs.toFixed(0), p: percent(pSpoof) });
    this.verdict.title = reason ?? "";
    if (pSpoof !== null && !this.alerts) this.note.textContent = "";
  }

  #alert({ state, began, end, peak }) {
    const isOpen = state === "open", span = { began: clock(began / RATE_HZ), ended: clock(end / RATE_HZ) };
    this.alerts += isOpen;
    this.node.classList.toggle("alarm", isOpen);
    this.note.textContent = isOpen ? t("space.alert_open", span) : t("space.alert_closed", { ...span, n: this.alerts, p: percent(peak) });
  }

  #draw() {
    const last = (this.points.at(-1)?.[0] ?? 0) + 1, first = Math.max(0, last - SHOWN_HOPS);
    timeline(this.canvas, this.points, first, Math.max(last, 10 * HOPS_A_SECOND), { ticks: [[last, clock(last / HOPS_A_SECOND)]] });
  }

  #stop() {
    if (!this.media) return;
    this.ask({ type: "end", id: ID });
    this.recorder.port.onmessage = null;
    this.recorder.disconnect();
    this.#release();
    this.button.textContent = t("space.microphone");
  }

  #release() {
    this.media?.getTracks().forEach((track) => track.stop());
    this.media = null;
    this.context.suspend();
  }
}
