// Time is counted in samples at 16 kHz, as in radd/types.py.

export const RATE_HZ = 16000;
export const HOP_SAMPLES = 2048;  // 128 ms, one score
export const seconds = (samples) => samples / RATE_HZ;
