// Which sound of a recording is judged: the mean of channels that are alike, else each by itself. As
// radd/channels.py compares them.

const ALIKE = 0.85, FAINT = 1e-5, MOST = 8;

// [{ channel, samples }] of channels of equal length; channels count from 1, and there is none where there is one sound.
export function lanes(channels) {
  if (channels.length === 1 || areAlike(channels)) return [{ channel: null, samples: meanOf(channels) }];
  return channels.slice(0, MOST).map((samples, k) => ({ channel: k + 1, samples }));
}

function meanOf(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, one) => sum + one[i], 0) / channels.length);
}

// Whether every channel that can be heard correlates with the mean of all.
function areAlike(channels) {
  const mix = meanOf(channels), power = channels.map((one) => product(one, one)), most = Math.max(...power);
  const ofMix = product(mix, mix);
  return channels.every((one, k) => power[k] <= FAINT * most ||
    product(one, mix) >= ALIKE * (Math.sqrt(power[k] * ofMix) + 1e-12));
}

function product(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
