// One clip: its sound as waveform and spectrogram, the nearest known voices to compare, its evidence and labels.

import { clock, fact, h, moment, percent, reference, short } from "./dom.js";
import { keepDrawn, spectra, spectrogram, waveform } from "./draw.js";
import { decode, RATE_HZ } from "./sound.js";
import { t, word } from "./words.js";

const COLOURS = { fake: "spoof", real: "bonafide", conflict: "suspect" };

export class Clip {
  // `details` as /v1/clips/ID answers; `sound` promises the bytes of its FLAC, or null.
  constructor(details, sound) {
    this.details = details;
    this.sound = sound;
    const { clip } = details;
    this.node = h("div", { class: "card clip" },
      h("div", { class: "row spread" }, h("h2", { title: clip.source }, short(clip.source)),
        h("p", { class: `score ${clip.verdict || "none"}` }, t("review.highest", { p: percent(clip.peak_p_spoof) }))),
      h("p", { class: "small muted" }, `${moment(clip.began_utc)} · ${clip.host} · ${clip.bundle} · `,
        h("a", { href: `#/review/${clip.id}` }, t("review.link"))),
      this.player(), this.comparison(), this.evidence(), this.history());
  }

  player() {
    const { clip, trace, began } = this.details;
    if (clip.sound !== "stored") return h("p", { class: "muted" }, t("review.gone"));
    const wave = h("canvas", { role: "img", "aria-label": t("review.waveform") });
    const spectrum = h("canvas", { class: "spectrum", role: "img", "aria-label": t("review.spectrogram") });
    this.audio = h("audio", { controls: true, "aria-label": t("review.clip") });
    this.draw = () => {
      if (!this.samples) return;
      waveform(wave, this.samples, RATE_HZ, trace, clip.state === "sample" ? null : began, this.audio.currentTime);
      spectrogram(spectrum, this.frames, this.audio.currentTime, this.samples.length / RATE_HZ);
    };
    const follow = () => {
      this.draw();
      if (!this.left && !this.audio.paused) requestAnimationFrame(follow);
    };
    this.audio.addEventListener("play", () => { this.stopOther(this.audio); follow(); });
    this.audio.addEventListener("seeked", this.draw);
    for (const canvas of [wave, spectrum]) {
      keepDrawn(canvas, this.draw);
      canvas.addEventListener("click", (event) => {
        if (this.samples) this.audio.currentTime = (event.offsetX / canvas.clientWidth) * (this.samples.length / RATE_HZ);
      });
    }
    return h("div", { class: "sound" }, wave, spectrum, this.audio);
  }

  // Loads the sound once the card is on the page, and plays it where the reader wants that.
  async begin() {
    const bytes = this.audio && (await this.sound);
    if (!bytes || this.left) return;
    this.url = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    this.audio.src = this.url;
    if (localStorage.getItem("autoplay") === "yes") this.audio.play().catch(() => {});
    this.samples = await decode(bytes.slice(0));
    this.frames = this.samples ? spectra(this.samples) : [];
    this.draw();
  }

  // The nearest known voices; those whose sound is stored can be played in turn with the clip.
  comparison() {
    const { neighbours } = this.details;
    this.others = neighbours.filter((known) => known.clip).map((known) => h("audio", { preload: "none", src: `v1/clips/${known.clip}/sound` }));
    let player = 0;
    const items = neighbours.slice(0, 3).map((known) => {
      const other = known.clip ? this.others[player++] : null, side = known.label === "bonafide" ? "real" : "fake";
      const text = [h("b", { class: known.label === "bonafide" ? "bonafide" : "spoof" }, word("states", side)),
        ` ${reference(known)} · ${known.similarity.toFixed(2)}`];
      return h("li", {}, other ? h("button", { title: known.id, onclick: () => this.play(other) }, "▶ ", ...text) : h("span", { title: known.id }, ...text));
    });
    return h("div", { class: "nearest" }, h("h3", {}, t("review.nearest")),
      items.length ? h("ul", {}, ...items) : h("p", { class: "muted small" }, t("review.none_searched")), ...this.others,
      this.others.length ? h("p", { class: "small muted keys" }, t("review.compare_hint")) : null);
  }

  evidence() {
    const { clip, neighbours } = this.details;
    return h("details", {}, h("summary", {}, t("review.evidence")),
      h("dl", { class: "facts" }, fact(t("review.lowest_llr"), clip.min_llr === null ? "–" : clip.min_llr.toFixed(1)),
        fact(t("all.length"), clock(clip.duration_s)), fact(t("review.gaps_before"), String(clip.gaps)),
        fact(t("review.priority"), clip.informative.toFixed(2), t("review.priority_hint"))),
      h("ul", { class: "small" }, ...neighbours.map((known) => h("li", {}, `${known.similarity.toFixed(2)} ${reference(known)} `,
        h("span", { class: "muted id" }, known.id)))),
      neighbours.some((known) => !known.clip) && h("p", { class: "small muted" }, t("review.vectors_only")));
  }

  history() {
    const { clip, labels, blocks_in_index: blocks } = this.details;
    if (!labels.length) return null;
    return h("details", {}, h("summary", {}, h("b", { class: COLOURS[clip.review] || "none" }, word("states", clip.review)),
      blocks ? ` · ${t("review.blocks", { n: blocks })}` : "", ` · ${t("review.labels", { n: labels.length, name: labels.at(-1).reviewer })}`),
    h("ul", { class: "small" }, ...labels.map((said) =>
      h("li", {}, `${moment(said.labelled_utc)}: ${word("states", said.label)}, ${said.reviewer}${said.reason ? `, “${said.reason}”` : ""}`))));
  }

  play(audio) {
    if (!audio.paused) return audio.pause();
    this.stopOther(audio);
    audio.currentTime = 0;
    return audio.play().catch(() => {});
  }

  stopOther(audio) {
    for (const one of [this.audio, ...this.others]) if (one && one !== audio) one.pause();
  }

  toggle() {
    if (!this.audio) return;
    if (this.audio.paused) this.audio.play().catch(() => {});
    else this.audio.pause();
  }

  // Plays the clip and the nearest known voices in turn.
  compare() {
    const all = [this.audio, ...this.others].filter(Boolean), now = all.findIndex((one) => !one.paused);
    if (all.length) this.play(all[(now < 0 ? 1 : now + 1) % all.length]);
  }

  leave() {
    this.left = true;
    this.stopOther(null);
    if (this.url) URL.revokeObjectURL(this.url);
  }
}
