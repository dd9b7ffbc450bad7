// The bytes of a recording -> its channels at its own rate. Browsers resample while they decode, each in its own way;
// told the recording's rate they do not.

const OTHERWISE_HZ = 48000;  // where the header does not say: browsers resample well enough to that
const MP3_HZ = { 3: [44100, 48000, 32000], 2: [22050, 24000, 16000], 0: [11025, 12000, 8000] };
const LOWEST_HZ = 8000, HIGHEST_HZ = 96000;  // what every browser's decoder takes

// { rate, channels: [Float32Array, ...] }; null where this browser cannot decode it.
export async function decode(buffer) {
  const found = rateOf(new DataView(buffer)), rate = found >= LOWEST_HZ && found <= HIGHEST_HZ ? found : OTHERWISE_HZ;
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(buffer);
  } catch {
    return null;
  }
  return { rate, channels: Array.from({ length: sound.numberOfChannels }, (_, k) => sound.getChannelData(k)) };
}

// The sample rate that the header of a WAV, FLAC, Ogg or MP3 file names; null for others.
export function rateOf(view) {
  if (view.byteLength < 48) return null;
  const word = (at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
  if (word(0) === "RIFF" && word(8) === "WAVE") return rateOfWav(view, word);
  if (word(0) === "fLaC") return view.getUint32(18) >>> 12;
  if (word(0) === "OggS") return word(29) === "vorb" ? view.getUint32(40, true) : OTHERWISE_HZ;
  const begin = word(0).startsWith("ID3") ? 10 + sizeOfId3(view) : 0;
  return begin + 4 <= view.byteLength ? rateOfMp3(view.getUint32(begin)) : null;
}

function rateOfWav(view, word) {
  for (let at = 12; at + 16 <= view.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)) {
    if (word(at) === "fmt ") return view.getUint32(at + 12, true);
  }
  return null;
}

// An ID3 tag's length has seven bits a byte.
const sizeOfId3 = (view) => [6, 7, 8, 9].reduce((size, at) => (size << 7) | (view.getUint8(at) & 127), 0);

function rateOfMp3(head) {
  return head >>> 21 === 0x7ff ? MP3_HZ[(head >>> 19) & 3]?.[(head >>> 10) & 3] ?? null : null;
}
