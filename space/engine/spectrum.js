// Log-power spectra and removal of the channel as their trailing mean, as radd/features.py computes them.

import { RATE_HZ } from "./time.js";

export class Spectra {
  // `features`: the settings in the bundle's manifest.
  constructor(features) {
    this.fft = features.FFT_SAMPLES;
    this.step = features.STEP_SAMPLES;
    this.bins = this.fft / 2;
    this.floor = Math.fround(features.FLOOR);
    this.pause = features.PAUSE_WEIGHT;
    this.decay = Math.exp(-this.step / RATE_HZ / features.MEAN_S);
    this.window = Float32Array.from({ length: this.fft }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / this.fft));
    this.turn = turns(this.fft);
  }

  // The state of a new stream: before it there was silence.
  start() {
    return { tail: new Float32Array(this.fft - this.step), total: new Float64Array(this.bins), weight: 0 };
  }

  // Natural-log power spectra (n / step, bins) of n samples, a multiple of the step; updates the state.
  log(state, samples) {
    const joined = new Float32Array(state.tail.length + samples.length), n = samples.length / this.step;
    joined.set(state.tail);
    joined.set(samples, state.tail.length);
    state.tail = joined.slice(samples.length);
    const out = new Float32Array(n * this.bins), re = new Float64Array(this.fft), im = new Float64Array(this.fft);
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < this.fft; i++) re[i] = Math.fround(joined[k * this.step + i] * this.window[i]);
      im.fill(0);
      transform(re, im, this.turn);
      for (let bin = 0; bin < this.bins; bin++) {
        out[k * this.bins + bin] = Math.log(re[bin + 1] ** 2 + im[bin + 1] ** 2 + this.floor);
      }
    }
    return out;
  }

  // Spectra minus their trailing, speech-weighted mean; `speech(k)` is the probability at spectrum k.
  flatten(state, spectra, speech) {
    const out = new Float32Array(spectra.length), n = spectra.length / this.bins;
    for (let k = 0; k < n; k++) {
      const weight = this.pause + (1 - this.pause) * speech(k);
      state.weight = this.decay * state.weight + weight;
      for (let bin = 0, at = k * this.bins; bin < this.bins; bin++, at++) {
        state.total[bin] = this.decay * state.total[bin] + weight * spectra[at];
        out[at] = spectra[at] - state.total[bin] / state.weight;
      }
    }
    return out;
  }

  // Spectra of a block by itself, all of it taken for speech: the input of an encoder without a backbone.
  ofBlock(samples) {
    const state = this.start();
    return this.flatten(state, this.log(state, samples), () => 1);
  }
}

function turns(n) {
  return { cos: Float64Array.from({ length: n / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / n)),
    sin: Float64Array.from({ length: n / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / n)) };
}

// The discrete Fourier transform in place (Cooley and Tukey 1965); the length is a power of two.
function transform(re, im, turn) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    for (let start = 0; start < n; start += size) butterflies(re, im, turn, start, size);
  }
}

function butterflies(re, im, turn, start, size) {
  const half = size / 2, stride = re.length / size;
  for (let k = 0; k < half; k++) {
    const c = turn.cos[k * stride], s = -turn.sin[k * stride], a = start + k, b = a + half;
    const r = re[b] * c - im[b] * s, m = re[b] * s + im[b] * c;
    re[b] = re[a] - r; im[b] = im[a] - m; re[a] += r; im[a] += m;
  }
}
