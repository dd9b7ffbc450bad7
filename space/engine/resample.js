// Sound of any rate -> 16 kHz: a windowed sinc (Kaiser 1974) with the pass band of radd/resampling.py's converter.
// It equals that converter to about a thousandth of the sound, not to the last bit; 16 kHz passes unchanged.

import { RATE_HZ } from "./time.js";

const PASS = 0.913;  // of the lower Nyquist frequency; from 1 on nothing passes
const HALF = 90, BETA = 12.26;  // 120 dB: samples of the lower rate on each side, and the window's shape

export class Resampler {
  constructor(rate) {
    const shared = gcd(rate, RATE_HZ), stretch = Math.max(1, rate / RATE_HZ);
    this.rate = rate;
    this.up = RATE_HZ / shared;
    this.down = rate / shared;
    this.half = Math.ceil(HALF * stretch);
    this.cut = (0.5 * (PASS + 1)) / stretch;
    this.phases = new Map();
    this.kept = new Float32Array(this.half);  // of the input, from sample `first` on; before it there was silence
    this.first = -this.half;
    this.taken = this.given = 0;
  }

  // The samples at 16 kHz that the next samples complete.
  push(samples) {
    if (this.up === this.down) return samples;
    this.taken += samples.length;
    return this.#convert(samples, Infinity);
  }

  // What the filter still holds: after n samples, floor(n * 16000 / rate + 1/2) have been returned.
  flush() {
    if (this.up === this.down) return new Float32Array(0);
    return this.#convert(new Float32Array(2 * this.half), Math.floor((this.taken * RATE_HZ) / this.rate + 0.5));
  }

  #convert(samples, most) {
    const joined = new Float32Array(this.kept.length + samples.length);
    joined.set(this.kept);
    joined.set(samples, this.kept.length);
    const out = [];
    for (; this.given < most; this.given++) {
      const at = this.given * this.down, begin = Math.floor(at / this.up) - this.half + 1 - this.first;
      if (begin + 2 * this.half > joined.length) break;
      const taps = this.#taps(at % this.up);
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * joined[begin + k];
      out.push(sum);
    }
    const done = Math.floor((this.given * this.down) / this.up) - this.half + 1 - this.first;
    this.kept = joined.slice(Math.min(Math.max(0, done), joined.length));
    this.first += joined.length - this.kept.length;
    return Float32Array.from(out);
  }

  // The filter for an output that lies phase / up of a sample after the middle input.
  #taps(phase) {
    if (!this.phases.has(phase)) {
      const taps = Float64Array.from({ length: 2 * this.half }, (_, k) => {
        const t = k - this.half + 1 - phase / this.up, x = t / this.half;
        const sinc = t ? Math.sin(Math.PI * this.cut * t) / (Math.PI * t) : this.cut;
        return Math.abs(x) < 1 ? (sinc * bessel(BETA * Math.sqrt(1 - x * x))) / bessel(BETA) : 0;
      });
      this.phases.set(phase, taps);
    }
    return this.phases.get(phase);
  }
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

// The modified Bessel function of order zero.
function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}
