// Sound as samples: what the browser decodes, and WAV files of what it has recorded.

export const RATE_HZ = 16000;

// Mono samples at 16 kHz of the bytes of a sound file; null where this browser cannot decode it.
export async function decode(bytes) {
  const context = new OfflineAudioContext(1, RATE_HZ, RATE_HZ);
  try {
    const buffer = await context.decodeAudioData(bytes), mono = new Float32Array(buffer.length);
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      const data = buffer.getChannelData(channel);
      for (let i = 0; i < mono.length; i++) mono[i] += data[i] / buffer.numberOfChannels;
    }
    return mono;
  } catch {
    return null;
  }
}

// Blocks of mono float32 samples as a WAV file of 16 bit.
export function wav(blocks, rate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0), view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true);
  view.setUint16(34, 16, true); text(36, "data"); view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
      at += 2;
    }
  }
  return new File([view], "microphone.wav", { type: "audio/wav" });
}
