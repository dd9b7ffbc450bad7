// The path of sound through one stream: hops, judgements, scores, decisions, as stream/monitor.py has it.

import { Decider } from "./decision.js";
import { levelDbfs } from "./gate.js";
import { HOP_SAMPLES, RATE_HZ, seconds } from "./time.js";

const KEPT_SAMPLES = 60 * RATE_HZ;  // of scores: evidence for an alert does not reach further back

export class Monitor {
  constructor(detector, decision) {
    this.detector = detector;
    this.decider = new Decider(decision);
    this.state = detector.start();
    this.pending = new Float32Array(0);
    this.end = this.shed = 0;
    this.latest = [];
    this.peak = 0;
  }

  // The events of the hops that mono samples at 16 kHz complete: a score each, then an alert if it caused one.
  async feed(samples, shed = false) {
    const joined = new Float32Array(this.pending.length + samples.length);
    joined.set(this.pending);
    joined.set(samples, this.pending.length);
    const whole = joined.length - (joined.length % HOP_SAMPLES);
    this.pending = joined.slice(whole);
    if (!whole) return [];
    const judgements = await this.detector.push(this.state, joined.subarray(0, whole), shed);
    return judgements.flatMap((judgement) => this.#events(judgement));
  }

  // The events at the end: the close of an open alert, or why a stream shorter than a hop has no score.
  flush() {
    if (!this.end && this.pending.length) {
      const has = seconds(this.pending.length).toFixed(3), needed = seconds(HOP_SAMPLES).toFixed(3);
      return [{ type: "score", end: this.pending.length, verdict: "warming_up", llr: null, pSpoof: null,
        reason: `${has} s of audio; a score needs at least ${needed} s`, neighbours: [], windowSamples: 0,
        levelDbfs: levelDbfs([]) }];
    }
    const decision = this.decider.close(this.end);
    return decision ? [this.#alert(decision)] : [];
  }

  #events({ llr, refusal, ...rest }) {
    this.end += HOP_SAMPLES;
    const measured = llr !== null, verdict = measured ? this.decider.verdict(llr) : refusal;
    const score = { type: "score", end: this.end, verdict, llr, pSpoof: measured ? this.decider.pSpoof(llr) : null, ...rest };
    this.#keep(score);
    const decision = this.decider.update(this.end, llr, score.windowSamples, 1 + this.shed);
    this.shed = verdict === "shed" ? this.shed + 1 : 0;
    return decision ? [score, this.#alert(decision)] : [score];
  }

  #keep({ end, pSpoof }) {
    this.latest.push({ end, pSpoof });
    if (this.latest[0].end <= end - KEPT_SAMPLES) this.latest.shift();
    if (this.decider.isOpen) this.peak = Math.max(this.peak, pSpoof ?? 0);
  }

  // An alert event: when it began and ended so far, in samples, and its highest probability of spoof.
  #alert({ state, began, end }) {
    if (state === "open") {
      const within = this.latest.filter((score) => score.end > began).map((score) => score.pSpoof ?? 0);
      this.peak = Math.max(...within);
    }
    return { type: "alert", state, began, end, peak: this.peak };
  }
}
