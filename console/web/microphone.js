// This browser's microphone, scored while it is recorded and again as a whole.

import { clock, colourOf, h, tell, VERDICTS } from "./dom.js";
import { timeline } from "./draw.js";
import { wav } from "./sound.js";
import { t } from "./words.js";

export class Microphone {
  constructor(done) {
    this.done = done;
    this.button = h("button", { onclick: () => (this.running ? this.stop() : this.start()) }, t("check.microphone"));
    this.node = h("article", { class: "card listening", hidden: true });
  }

  async start() {
    tell("");
    this.running = true;
    this.blocks = [];
    this.points = [];
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
      this.media = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      this.running = false;
      tell(navigator.mediaDevices ? t("check.no_microphone", { why: error.message })
        : t("check.needs_https"));
      return;
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("recorder.js");
    const recorder = new AudioWorkletNode(this.context, "recorder");
    const address = new URL("v1/stream", location.href.replace(/^http/, "ws").split("#")[0]);
    this.socket = new WebSocket(`${address}?format=f32le&rate=${this.context.sampleRate}`);
    this.socket.addEventListener("message", ({ data }) => this.heard(JSON.parse(data)));
    this.socket.addEventListener("close", () => this.running && this.stop());
    recorder.port.onmessage = ({ data }) => {
      this.blocks.push(data);
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
    };
    this.context.createMediaStreamSource(this.media).connect(recorder);
    this.button.textContent = t("check.stop");
    this.verdict = h("p", { class: "verdict none", role: "status" }, t("check.listening"));
    this.canvas = h("canvas", { role: "img", "aria-label": t("check.while") });
    this.note = h("p", { class: "muted small" }, t("check.speak"));
    this.node.replaceChildren(h("div", { class: "row spread" }, h("h2", {}, t("check.microphone_title")), this.verdict), this.canvas, this.note);
    this.node.hidden = false;
  }

  heard(object) {
    if (object.type === "problem") tell(object.detail);
    if (object.type === "alert" && object.state === "open") this.note.textContent = t("check.alert_since", { when: clock(object.began) });
    if (object.type !== "score") return;
    if (this.verdict.textContent !== VERDICTS[object.verdict]) {
      this.verdict.textContent = VERDICTS[object.verdict];
      this.verdict.className = `verdict ${colourOf(object.verdict)}`;
    }
    this.points.push([(object.t - 0.128) * 8, object.verdict, object.p_spoof]);
    const last = object.t * 8;
    timeline(this.canvas, this.points, Math.max(0, last - 480), Math.max(last, 80), { ticks: [[last, clock(object.t)]] });
  }

  stop() {
    const blocks = this.blocks, rate = this.context.sampleRate;
    this.end();
    this.node.hidden = true;
    if (blocks.length) this.done(wav(blocks, rate));
  }

  end() {
    if (!this.running) return;
    this.running = false;
    this.button.textContent = t("check.microphone");
    this.media?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send('{"type": "close"}');
  }
}
