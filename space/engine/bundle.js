// Loads a model bundle of kind radd: each file only with the SHA-256 that its manifest names.

import { digest } from "./digest.js";
import { readNpy } from "./npy.js";
import { References } from "./references.js";
import { Spectra } from "./spectrum.js";
import { Encoder, Network, SpectralCnn, SpeechNetwork } from "./networks.js";

const FORMAT = 1;

// The parts of a detector. `settings`: settings.json of this page, which names the bundle's directory; `ort`: ONNX
// Runtime; `progress`: called with the bytes of each file that has arrived.
export async function openBundle(ort, settings, progress = () => {}) {
  const manifest = JSON.parse(text(await bytes("model/manifest.json", null, progress)));
  if (manifest.format !== FORMAT || (manifest.kind ?? "radd") !== "radd") {
    throw new Error(`the bundle has format ${manifest.format} and kind ${manifest.kind}; expected ${FORMAT} and radd`);
  }
  const has = (name) => name in manifest.files;
  const file = (name) => bytes(`model/${name}`, manifest.files[name], progress);
  const network = async (name) => opened(ort, await file(name));
  const [frames, score, encoder, vad] = await Promise.all([network("cnn_frames.onnx"), network("cnn_score.onnx"),
    network("encoder.onnx"), bytes(settings.vad.file, settings.vad.sha256, progress).then((read) => opened(ort, read))]);
  const [backbone, correction] = [has("backbone.onnx") ? await network("backbone.onnx") : null,
    has("correction.npy") ? readNpy(await file("correction.npy"), "correction.npy").values : null];
  const spectra = new Spectra(manifest.features);
  return {
    name: `${manifest.name} ${manifest.version}`, calibration: manifest.calibration, spectra,
    vad: new SpeechNetwork(vad), cnn: new SpectralCnn(frames, score),
    encoder: new Encoder(encoder, backbone, spectra, correction),
    references: new References(await file("index.npy"), text(await file("references.csv"))),
    card: text(await file("card.md")),
  };
}

const text = (buffer) => new TextDecoder().decode(buffer);

async function opened(ort, buffer) {
  return new Network(ort, await ort.InferenceSession.create(new Uint8Array(buffer), { executionProviders: ["wasm"] }));
}

async function bytes(path, sha256, progress) {
  const answer = await fetch(new URL(`../${path}`, import.meta.url));
  if (!answer.ok) throw new Error(`${path} is missing (${answer.status}); build the page again with make space`);
  const buffer = await answer.arrayBuffer();
  progress(buffer.byteLength);
  if (sha256 && (await digest(buffer)) !== sha256) {
    throw new Error(`${path} differs from the file that its manifest names (SHA-256); build the page again`);
  }
  return buffer;
}
