// Drawings on canvas, in the page's colours, sharp on every screen.

import { colourOf } from "./dom.js";

// A canvas context in CSS pixels, cleared, with its size and the colours of the theme.
export function begin(canvas) {
  const scale = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return { pen, width, height, colour };
}

// Redraw when the size or the theme changes, until the canvas has left the page.
export function keepDrawn(canvas, draw) {
  const again = () => canvas.isConnected && draw();
  new ResizeObserver(again).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

// The probability of each second: points [second, verdict, p or null], from `first` to `last`.
export function timeline(canvas, points, first, last, { marks = [], playhead = null, ticks = null } = {}) {
  const { pen, width, height, colour } = begin(canvas);
  const left = 34, bottom = height - 20, top = 6, span = Math.max(1, last - first);
  const x = (second) => left + ((second - first) / span) * (width - left - 4);
  const y = (p) => bottom - p * (bottom - top);
  pen.font = "11px system-ui, sans-serif";
  pen.lineWidth = 1;
  for (const [p, text] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    pen.strokeStyle = colour("line");
    pen.beginPath(); pen.moveTo(left, y(p)); pen.lineTo(width, y(p)); pen.stroke();
    pen.fillStyle = colour("muted"); pen.textAlign = "right"; pen.textBaseline = "middle";
    pen.fillText(text, left - 6, y(p));
  }
  pen.textBaseline = "alphabetic";
  for (const [second, text] of ticks || []) {
    pen.fillStyle = colour("muted"); pen.textAlign = x(second) > width - 30 ? "right" : x(second) < left + 20 ? "left" : "center";
    pen.fillText(text, x(second), height - 5);
  }
  for (const [from, to] of marks) {
    pen.globalAlpha = 0.14; pen.fillStyle = colour("spoof");
    pen.fillRect(x(from), top, Math.max(2, x(to) - x(from)), bottom - top);
    pen.globalAlpha = 1;
  }
  const step = x(first + 1) - x(first), wide = Math.max(1, step - (step > 4 ? 1 : 0));
  for (const [second, verdict, p] of points) {
    pen.fillStyle = colour(colourOf(verdict));
    if (p == null) {
      pen.globalAlpha = 0.45;
      pen.fillRect(x(second), bottom - 3, wide, 3);
    } else {
      pen.globalAlpha = 0.22;
      pen.fillRect(x(second), y(p), wide, bottom - y(p));
      pen.globalAlpha = 1;
      pen.fillRect(x(second), y(p) - 1.5, wide, 3);
    }
    pen.globalAlpha = 1;
  }
  if (playhead != null) line(pen, x(playhead), top, bottom, colour("ink"));
  return (pixel) => first + ((pixel - left) / (width - left - 4)) * span;
}

// A number a day: points [{day, distance, is_drift}] between two moments in ms, and the bound where there is one.
export function days(canvas, points, [first, last], bound) {
  const { pen, width, height, colour } = begin(canvas), left = 40, right = width - 8, top = 6, bottom = height - 20;
  const most = 1.1 * Math.max(bound || 0, ...points.map((one) => one.distance), 1e-6);
  const x = (day) => left + ((Date.parse(day) - first) / Math.max(1, last - first)) * (right - left);
  const y = (value) => bottom - (value / most) * (bottom - top);
  pen.font = "11px system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.fillStyle = colour("muted"); pen.textBaseline = "middle"; pen.textAlign = "right";
  pen.fillText("0", left - 6, y(0));
  pen.strokeStyle = colour("line");
  pen.beginPath(); pen.moveTo(left, y(0)); pen.lineTo(right, y(0)); pen.stroke();
  if (bound !== null) {
    pen.fillText(bound.toFixed(2), left - 6, y(bound));
    pen.strokeStyle = colour("suspect"); pen.setLineDash([4, 4]);
    pen.beginPath(); pen.moveTo(left, y(bound)); pen.lineTo(right, y(bound)); pen.stroke();
    pen.setLineDash([]);
  }
  pen.textBaseline = "alphabetic";
  for (const [at, align] of [[first, "left"], [last, "right"]]) {
    pen.textAlign = align;
    pen.fillText(new Date(at).toLocaleDateString([], { dateStyle: "medium", timeZone: "UTC" }), align === "left" ? left : right, height - 5);
  }
  pen.strokeStyle = colour("bonafide"); pen.lineWidth = 2;
  pen.beginPath();
  points.forEach((one, i) => (i ? pen.lineTo(x(one.day), y(one.distance)) : pen.moveTo(x(one.day), y(one.distance))));
  pen.stroke();
  for (const one of points) {
    pen.fillStyle = colour(one.is_drift ? "suspect" : "bonafide");
    pen.beginPath(); pen.arc(x(one.day), y(one.distance), one.is_drift ? 4.5 : 3.5, 0, 7); pen.fill();
  }
}

function line(pen, x, top, bottom, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath(); pen.moveTo(x, top); pen.lineTo(x, bottom); pen.stroke();
}

// Samples as a waveform, with the score over it: trace [{t, p_spoof, verdict}]; shaded from `began` s on, where an alert
// began; null: there was none.
export function waveform(canvas, samples, rate, trace, began, playhead) {
  const { pen, width, height, colour } = begin(canvas), duration = samples.length / rate, middle = height / 2;
  const x = (t) => (t / duration) * width;
  if (began !== null) {
    pen.globalAlpha = 0.1; pen.fillStyle = colour("spoof"); pen.fillRect(x(began), 0, width - x(began), height);
  }
  pen.globalAlpha = 0.55; pen.fillStyle = colour("none");
  let loudest = 0.02;
  for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column / width) * samples.length), to = Math.floor(((column + 1) / width) * samples.length);
    let most = 0;
    for (let i = from; i < to; i++) most = Math.max(most, Math.abs(samples[i]));
    const size = Math.max(1, (most / loudest) * (height - 4));
    pen.fillRect(column, middle - size / 2, 1, size);
  }
  pen.globalAlpha = 1; pen.lineWidth = 2.5; pen.lineJoin = "round";
  let before = null;
  for (const point of trace) {
    if (point.p_spoof != null && before?.p_spoof != null) {
      pen.strokeStyle = colour(colourOf(point.verdict));
      pen.beginPath();
      pen.moveTo(x(before.t), 3 + (1 - before.p_spoof) * (height - 6));
      pen.lineTo(x(point.t), 3 + (1 - point.p_spoof) * (height - 6));
      pen.stroke();
    }
    before = point;
  }
  if (playhead != null) line(pen, x(playhead), 0, height, colour("ink"));
}

const FFT = 512, HOP = 160;

// Power in dB, one Float32Array of FFT / 2 bins every 10 ms.
export function spectra(samples) {
  const shape = Float32Array.from({ length: FFT }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT)), frames = [];
  const hop = Math.max(HOP, Math.ceil(samples.length / 2400));
  for (let at = 0; at + FFT <= samples.length; at += hop) {
    const re = new Float32Array(FFT), im = new Float32Array(FFT);
    for (let i = 0; i < FFT; i++) re[i] = samples[at + i] * shape[i];
    transform(re, im);
    frames.push(Float32Array.from({ length: FFT / 2 }, (_, k) => 10 * Math.log10(re[k] ** 2 + im[k] ** 2 + 1e-9)));
  }
  return frames;
}

function transform(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = (-2 * Math.PI) / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k++) {
        const c = Math.cos(angle * k), s = Math.sin(angle * k), a = start + k, b = a + size / 2;
        const r = re[b] * c - im[b] * s, m = re[b] * s + im[b] * c;
        re[b] = re[a] - r; im[b] = im[a] - m; re[a] += r; im[a] += m;
      }
    }
  }
}

// Frames as a picture from 0 Hz below to 8 kHz above, the loudest 70 dB of it.
export function spectrogram(canvas, frames, playhead, duration) {
  const { pen, width, height, colour } = begin(canvas);
  if (!frames.length) return;
  if (!frames.picture) frames.picture = paint(frames);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(frames.picture, 0, 0, width, height);
  pen.fillStyle = "#fff"; pen.font = "11px system-ui, sans-serif"; pen.globalAlpha = 0.85;
  pen.fillText("8 kHz", 6, 14); pen.fillText("0", 6, height - 6);
  pen.globalAlpha = 1;
  if (playhead != null) line(pen, (playhead / duration) * width, 0, height, "#fff");
}

function paint(frames) {
  const picture = document.createElement("canvas"), bins = frames[0].length;
  picture.width = frames.length; picture.height = bins;
  const pen = picture.getContext("2d"), image = pen.createImageData(frames.length, bins);
  let most = -Infinity;
  for (const frame of frames) for (const value of frame) most = Math.max(most, value);
  frames.forEach((frame, column) => frame.forEach((value, bin) => {
    const v = Math.max(0, 1 - (most - value) / 70), at = 4 * ((bins - 1 - bin) * frames.length + column);
    image.data[at] = 255 * Math.min(1, 1.7 * v * v);
    image.data[at + 1] = 255 * Math.max(0, 1.25 * v * v - 0.12);
    image.data[at + 2] = 255 * Math.min(1, 0.16 + 0.75 * Math.sin(Math.PI * Math.min(1, v * 1.05)) * 0.7 + 0.6 * v ** 6);
    image.data[at + 3] = 255;
  }));
  pen.putImageData(image, 0, 0);
  return picture;
}

// A minute of seconds as bars without axes; grey dots where nothing was measured.
export function sparkline(canvas, points) {
  const { pen, width, height, colour } = begin(canvas), last = (points.at(-1)?.[0] ?? 0) + 1, step = width / 60;
  for (const [second, verdict, p] of points.slice(-60)) {
    const x = width - (last - second) * step, size = p == null ? 2 : Math.max(2, p * height);
    pen.fillStyle = colour(colourOf(verdict));
    pen.globalAlpha = p == null ? 0.5 : 1;
    pen.fillRect(x, height - size, Math.max(1, step - 1), size);
  }
  pen.globalAlpha = 1;
}

// Decided rounds in order: points {at, was, now, promoted}; grey: the model in use then, coloured: its candidate.
export function rounds(canvas, points, when) {
  const { pen, width, height, colour } = begin(canvas), left = 34, bottom = height - 20, top = 8;
  const most = 1.1 * Math.max(...points.flatMap((one) => [one.was, one.now ?? 0]), 1e-6);
  const x = (i) => left + 12 + (i / Math.max(1, points.length - 1)) * (width - left - 24), y = (value) => bottom - (value / most) * (bottom - top);
  pen.font = "11px system-ui, sans-serif"; pen.fillStyle = colour("muted"); pen.textAlign = "right"; pen.textBaseline = "middle";
  for (const value of [0, most / 1.1]) {
    pen.fillText(value.toPrecision(2), left - 6, y(value));
    pen.strokeStyle = colour("line"); pen.beginPath(); pen.moveTo(left, y(value)); pen.lineTo(width, y(value)); pen.stroke();
  }
  points.forEach((one, i) => {
    const dots = [[one.was, "none"], [one.now, one.promoted ? "bonafide" : "spoof"]].filter(([value]) => value != null);
    pen.strokeStyle = colour("line"); pen.beginPath(); pen.moveTo(x(i), y(dots[0][0])); pen.lineTo(x(i), y(dots.at(-1)[0])); pen.stroke();
    for (const [value, name] of dots) { pen.fillStyle = colour(name); pen.beginPath(); pen.arc(x(i), y(value), 4, 0, 7); pen.fill(); }
  });
  pen.textBaseline = "alphabetic"; pen.fillStyle = colour("muted");
  for (const [i, align] of [[0, "left"], [points.length - 1, "right"]]) {
    pen.textAlign = align;
    pen.fillText(when(points[i].at), align === "left" ? left : width, height - 5);
  }
}
