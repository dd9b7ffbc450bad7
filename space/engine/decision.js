// From log-likelihood ratios to verdicts, and to the start and end of an alert, as stream/decision.py has it:
// a CUSUM over the LLRs (Page 1954) with hysteresis and a refractory time.

import { HOP_SAMPLES, RATE_HZ } from "./time.js";

const SHORTEST_WINDOW_SAMPLES = 8 * HOP_SAMPLES;

export class Decider {
  // `settings`: [decision] of config.toml.
  constructor(settings) {
    this.settings = settings;
    this.priorLogOdds = Math.log((1 - settings.prior) / settings.prior);
    this.evidence = 0;  // for spoof so far, nats; an alert opens at open_evidence
    this.isOpen = false;
    this.beginning = this.turned = this.measured = this.bonafide = this.quietUntil = 0;
  }

  // Start of the current evidence, in samples; null if there is none.
  get began() {
    return this.evidence && !this.isOpen ? this.beginning : null;
  }

  // Posterior probability of spoof at the configured prior, for one LLR.
  pSpoof(llr) {
    const logOdds = llr + this.priorLogOdds, unlikely = Math.exp(-Math.abs(logOdds));
    return (logOdds < 0 ? 1 : unlikely) / (1 + unlikely);
  }

  verdict(llr) {
    const p = this.pSpoof(llr);
    if (p >= this.settings.spoof_p) return "spoof";
    return p >= this.settings.suspect_p ? "suspect" : "bonafide";
  }

  // The hop that ends at sample `end`; { state: "open" or "close", began, end } if an alert opens or closes, or null.
  // `hops`: the number it stands for, itself and those shed before it.
  update(end, llr, windowSamples, hops = 1) {
    const { close_silence_s, drift_llr, max_llr } = this.settings;
    if (llr === null) return end - this.measured >= close_silence_s * RATE_HZ ? this.close(end) : null;
    this.measured = end;
    const share = (hops * HOP_SAMPLES) / Math.max(windowSamples, SHORTEST_WINDOW_SAMPLES);
    const step = -share * (Math.max(-max_llr, Math.min(max_llr, llr)) + drift_llr);
    if (this.isOpen) return this.#listenOn(end, step, hops);
    return end <= this.quietUntil ? null : this.#add(end, step, windowSamples);
  }

  // Discard the evidence, as at the end of the audio; the end of an alert if one was open.
  close(end) {
    this.evidence = 0;
    if (!this.isOpen) return null;
    this.isOpen = false;
    this.quietUntil = end + Math.round(this.settings.refractory_s * RATE_HZ);
    return { state: "close", began: this.beginning, end: this.turned };
  }

  #add(end, step, windowSamples) {
    if (!this.evidence) this.beginning = Math.max(end - Math.floor(windowSamples / 2), this.turned);
    this.evidence = Math.max(0, this.evidence + step);
    if (this.evidence < this.settings.open_evidence) return null;
    this.isOpen = true;
    this.turned = end;
    this.bonafide = 0;
    return { state: "open", began: this.beginning, end };
  }

  #listenOn(end, step, hops) {
    if (step >= 0) {
      this.turned = end;
      this.bonafide = 0;
      return null;
    }
    this.bonafide += hops * HOP_SAMPLES;
    return this.bonafide >= this.settings.close_bonafide_s * RATE_HZ ? this.close(end) : null;
  }
}
