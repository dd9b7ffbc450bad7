// The speech gate: is there enough speech in a window, and is it clean enough? As radd/gate.py has it.

import { RATE_HZ } from "./time.js";

export const FRAME_SAMPLES = 512;  // 32 ms, the step of the speech probabilities and of the CNN's frames
const QUIETEST_DBFS = -120, CLIPPED = 0.985, FLAT = 0.03, QUIETEST_PERCENT = 10, PAUSE_FRAMES = 6;

// What the gate knows of 32 ms: the speech probability, the power about the mean, the share of clipped samples.
export function measure(samples, speech) {
  let mean = 0, power = 0;
  for (const sample of samples) mean += sample / samples.length;
  for (const sample of samples) power += (sample - mean) ** 2 / samples.length;
  return { speech, power: Math.fround(power), clipped: clippedShare(samples) };
}

export const spoken = (frames, threshold) => frames.filter((frame) => frame.speech >= threshold);
export const speechSeconds = (frames, threshold) => (spoken(frames, threshold).length * FRAME_SAMPLES) / RATE_HZ;
export const levelDbfs = (frames) => (frames.length
  ? Math.max(QUIETEST_DBFS, 10 * Math.log10(meanOf(frames, "power") + 1e-12)) : QUIETEST_DBFS);

// Why a window cannot be scored, as [verdict, reason]; null if it can.
export function refuse(frames, settings) {
  const threshold = settings.speech_threshold, voiced = spoken(frames, threshold);
  const speech = speechSeconds(frames, threshold), needed = settings.min_speech_s;
  if (!voiced.length) return ["no_speech", "no speech in the window"];
  if (speech < needed) {
    const coming = spoken(frames.slice(-4), threshold).length > 0;
    return [coming ? "warming_up" : "no_speech",
      `${speech.toFixed(1)} s of speech in the window, ${needed.toFixed(1)} s needed`];
  }
  const reason = tooNoisy(frames, voiced, settings);
  return reason && ["too_noisy", reason];
}

function tooNoisy(frames, voiced, settings) {
  const level = 10 * Math.log10(meanOf(voiced, "power") + 1e-12), least = settings.min_level_dbfs;
  if (level < least) return `speech at ${level.toFixed(0)} dBFS is too faint, ${least.toFixed(0)} dBFS needed`;
  const clipped = 100 * meanOf(voiced, "clipped"), most = settings.max_clipped_percent;
  if (clipped > most) return `${clipped.toFixed(0)} % of samples clipped, at most ${most.toFixed(0)} % allowed`;
  const snr = snrDb(frames, voiced, settings.speech_threshold), needed = settings.min_snr_db;
  return snr < needed ? `speech only ${snr.toFixed(0)} dB above the noise, ${needed.toFixed(0)} dB needed` : null;
}

// How far speech is above the noise of the pauses or, with too few pauses, above the quietest frames.
function snrDb(frames, voiced, threshold) {
  const pauses = frames.filter((frame) => frame.speech < threshold / 2), both = meanOf(voiced, "power");
  const noise = pauses.length >= PAUSE_FRAMES ? meanOf(pauses, "power")
    : percentile(frames.map((frame) => frame.power), QUIETEST_PERCENT);
  return 10 * Math.log10(Math.max(both - noise, 1e-3 * both) + 1e-12) - 10 * Math.log10(noise + 1e-12);
}

const meanOf = (frames, name) => frames.reduce((sum, frame) => sum + frame[name], 0) / frames.length;

function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b), at = ((sorted.length - 1) * percent) / 100, low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

// The share of samples at full scale or beyond that lie near the median of all that do.
function clippedShare(samples) {
  const loud = samples.map(Math.abs).filter((size) => size >= CLIPPED).sort();
  if (!loud.length) return 0;
  const middle = loud.length >> 1, extreme = loud.length % 2 ? loud[middle] : (loud[middle - 1] + loud[middle]) / 2;
  return loud.filter((size) => Math.abs(size - extreme) <= FLAT * extreme).length / samples.length;
}
