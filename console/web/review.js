// Review: the queue of clips and one of them to see, hear and label.

import { ask, clock, fact, h, moment, percent, Problem, reference, send, short } from "./dom.js";
import { keepDrawn, spectra, spectrogram, waveform } from "./draw.js";
import { decode, RATE_HZ } from "./sound.js";

const STATES = { pending: "to review", fake: "fake", real: "real", unsure: "unsure", conflict: "in conflict", expired: "expired" };
const COLOURS = { fake: "spoof", real: "bonafide", conflict: "suspect" };
const WORDS = { fake: "fake", real: "real", unsure: "unsure", withdrawn: "withdrawn" };
const KEYS = { j: "fake", f: "real", k: "unsure" };
const LEARNT_S = 12;

export async function show(main, [wanted]) {
  const { role, reviewer } = await ask("v1/session");
  const page = new Review(role !== "viewer", reviewer);
  main.append(page.node);
  const clip = (event) => event.detail && page.open(event.detail);
  const key = (event) => page.key(event);
  document.addEventListener("clip", clip);
  document.addEventListener("keydown", key);
  await page.load(wanted);
  return () => {
    document.removeEventListener("clip", clip);
    document.removeEventListener("keydown", key);
    page.leave();
  };
}

class Review {
  constructor(mayLabel, named) {
    this.mayLabel = mayLabel;
    this.clips = [];
    this.given = [];
    const choose = (name, text, entries) => {
      const select = h("select", { name, onchange: () => this.load() }, ...entries.map(([value, word]) => h("option", { value }, word)));
      this[name] = select;
      return h("label", {}, text, select);
    };
    this.reviewer = h("input", { type: "text", name: "reviewer", maxlength: 200, autocomplete: "name",
      value: named || localStorage.getItem("reviewer") || "", readonly: named !== null, title: named ? "the name of your token" : null,
      onchange: () => localStorage.setItem("reviewer", this.reviewer.value.trim()) });
    this.reason = h("input", { type: "text", name: "reason", maxlength: 10000, placeholder: "what you hear (optional)" });
    this.list = h("ol", { class: "queue", "aria-label": "Clips" });
    this.more = h("button", { class: "quiet", onclick: () => this.page() }, "More");
    this.said = h("p", { class: "small", role: "status" });
    this.detail = h("section", { "aria-label": "The clip", tabindex: "-1" });
    this.node = h("div", {}, h("div", { class: "row spread" }, h("h1", {}, "Alerts and review"),
      h("div", { class: "row" },
        choose("review", "State", [...Object.entries(STATES), ["", "all"]]),
        choose("kind", "Kind", [["", "all"], ["alert", "alerts"], ["sample", "samples"]]),
        choose("order", "Order", [["informative", "most informative"], ["newest", "newest"]]))),
      h("div", { class: "review" }, h("div", {}, this.list, this.more), this.detail));
  }

  async load(wanted) {
    this.clips = [];
    this.next = null;
    this.list.replaceChildren();
    await this.page();
    const id = wanted || this.clips[0]?.id;
    if (id) await this.open(id);
    else this.nothing();
  }

  nothing() {
    this.leave();
    this.id = null;
    this.detail.replaceChildren(h("div", { class: "card empty" }, h("h2", {}, "Nothing here"),
      h("p", {}, this.review.value === "pending" ? "Every alert has been reviewed." : "No clip is in this state.")));
  }

  async page() {
    const query = new URLSearchParams({ order: this.order.value, limit: 50 });
    for (const name of ["review", "kind"]) if (this[name].value) query.set(name, this[name].value);
    if (this.next) query.set("after", this.next);
    const { clips, next } = await ask(`v1/clips?${query}`);
    this.next = next;
    this.more.hidden = !next;
    for (const clip of clips) {
      this.clips.push(clip);
      this.list.append(h("li", {}, this.entry(clip)));
    }
    this.mark();
  }

  entry(clip) {
    return h("button", { "data-id": clip.id, onclick: () => { location.hash = `#/review/${clip.id}`; } },
      h("span", { class: "name" }, short(clip.source)), h("span", { class: "spoof" }, percent(clip.peak_p_spoof)),
      h("span", { class: "when" }, `${moment(clip.began_utc)} · ${clock(clip.duration_s)}`),
      h("span", { class: `state ${COLOURS[clip.review] || "none"}` }, clip.state === "sample" ? "sample" : STATES[clip.review] || clip.review));
  }

  mark() {
    for (const button of this.list.querySelectorAll("button")) {
      if (button.dataset.id === this.id) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  async open(id) {
    this.leave();
    this.id = id;
    this.mark();
    let details;
    try {
      details = await ask(`v1/clips/${encodeURIComponent(id)}`);
    } catch (error) {
      this.detail.replaceChildren(h("div", { class: "card empty" }, h("p", {}, error.message)));
      return;
    }
    if (this.id !== id) return;
    this.details = details;
    const { clip, neighbours } = details, closest = neighbours[0];
    this.history = h("div");
    this.said.textContent = "";
    this.detail.replaceChildren(
      h("div", { class: "card" },
        h("div", { class: "row spread" }, h("h2", { title: clip.source }, short(clip.source)), h("a", { class: "small", href: `#/review/${id}` }, "link to this clip")),
        h("p", { class: "small muted" }, `${moment(clip.began_utc)} · ${clip.host} · ${clip.bundle}`),
        closest && h("p", {}, `Closest known: ${reference(closest)}, similarity ${closest.similarity.toFixed(2)}.`),
        this.player(clip),
        h("dl", { class: "facts" }, fact("highest probability", percent(clip.peak_p_spoof)),
          fact("lowest log ratio", clip.min_llr === null ? "–" : clip.min_llr.toFixed(1)),
          fact("length", clock(clip.duration_s)), fact("gaps before", String(clip.gaps)),
          fact("priority", clip.informative.toFixed(2), "how much a label would teach, 0 to 1")),
        this.mayLabel ? this.buttons() : h("p", { class: "muted" }, "Labelling needs the role reviewer."),
        this.said, this.history),
      h("div", { class: "card" }, h("h2", {}, "Closest known voices"),
        neighbours.length ? h("ul", { class: "known" }, ...neighbours.map((known) => h("li", {},
          h("b", {}, known.similarity.toFixed(2)),
          h("span", {}, reference(known), h("br"), h("span", { class: "small muted id" }, known.id)),
          h("span", { class: known.label === "bonafide" ? "bonafide" : "spoof" }, known.label === "bonafide" ? "real" : "fake"),
          known.clip && h("audio", { controls: true, preload: "none", src: `v1/clips/${known.clip}/sound`,
            "aria-label": `the known voice ${known.id}` }))))
          : h("p", { class: "muted" }, "None was searched."),
        neighbours.some((known) => !known.clip) && h("p", { class: "small muted" },
          "A voice has a player if its audio is stored here; the model's own references are vectors without audio.")));
    this.tellHistory();
  }

  player(clip) {
    if (clip.sound !== "stored") return h("p", { class: "muted" }, "The audio is gone: it expired or exceeded the quota.");
    const wave = h("canvas", { role: "img", "aria-label": "Waveform with the score over time" });
    const spectrum = h("canvas", { class: "spectrum", role: "img", "aria-label": "Spectrogram, 0 to 8 kHz" });
    const audio = h("audio", { controls: true, "aria-label": "The clip" });
    const node = h("div", { class: "sound" }, wave, spectrum, audio), { trace, began } = this.details;
    this.audio = audio;
    let samples = null, frames = [], running = true;
    const draw = () => {
      if (!samples) return;
      waveform(wave, samples, RATE_HZ, trace, began, audio.currentTime);
      spectrogram(spectrum, frames, audio.currentTime, samples.length / RATE_HZ);
    };
    const follow = () => {
      draw();
      if (running && !audio.paused) requestAnimationFrame(follow);
    };
    audio.addEventListener("play", follow);
    audio.addEventListener("seeked", draw);
    for (const canvas of [wave, spectrum]) {
      keepDrawn(canvas, draw);
      canvas.addEventListener("click", (event) => {
        if (samples) audio.currentTime = (event.offsetX / canvas.clientWidth) * (samples.length / RATE_HZ);
      });
    }
    fetch(`v1/clips/${clip.id}/sound`).then(async (answer) => {
      if (!answer.ok) return;
      const bytes = await answer.arrayBuffer();
      if (!running) return;
      this.url = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
      audio.src = this.url;
      samples = await decode(bytes);
      frames = samples ? spectra(samples) : [];
      draw();
    });
    this.stop = () => { running = false; audio.pause(); };
    return node;
  }

  buttons() {
    const button = (label, key, text) =>
      h("button", { class: label, onclick: () => this.label(label) }, text, " ", h("kbd", { "aria-hidden": "true" }, key));
    return h("div", {}, h("div", { class: "labels" }, button("real", "F", "Real"), button("fake", "J", "Fake"),
      button("unsure", "K", "Unsure"),
      h("button", { class: "quiet", onclick: () => this.undo() }, "Undo ", h("kbd", { "aria-hidden": "true" }, "Z"))),
    h("div", { class: "row" }, h("label", {}, "Your name", this.reviewer), h("label", {}, "Why", this.reason)),
    h("p", { class: "small muted keys" }, "Space plays, ↓ and ↑ move through the queue."));
  }

  tellHistory() {
    const { clip, labels, blocks_in_index: blocks } = this.details;
    const last = labels.at(-1);
    this.history.replaceChildren(...[
      labels.length ? h("p", {}, h("b", { class: COLOURS[clip.review] || "none" }, `State: ${STATES[clip.review] || clip.review}. `),
        blocks ? `Entered the index with ${blocks} blocks.` : "") : "",
      labels.length > 0 && h("details", {}, h("summary", {}, `${labels.length} labels, the last by ${last.reviewer}`),
        h("ul", { class: "small" }, ...labels.map((said) =>
          h("li", {}, `${moment(said.labelled_utc)}: ${WORDS[said.label] || said.label}, ${said.reviewer}${said.reason ? `, “${said.reason}”` : ""}`)))),
    ].filter(Boolean));
  }

  async label(label, id = this.id, reason = this.reason.value, remember = true) {
    const reviewer = this.reviewer.value.trim();
    if (!id || !this.mayLabel) return;
    if (!reviewer) {
      this.said.textContent = "Who are you? A label needs your name.";
      this.reviewer.focus();
      return;
    }
    const mine = this.id === id ? this.details.labels.filter((said) => said.reviewer === reviewer).at(-1)?.label : null;
    try {
      const { review } = await send(`v1/clips/${id}/label`, { label, reviewer, reason });
      if (remember) this.given.push([id, mine]);
      this.reason.value = "";
      this.changed(id, review);
      document.dispatchEvent(new Event("labelled"));
      await this.learnt(id, label, review);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.said.textContent = error.message;
    }
  }

  changed(id, review) {
    const clip = this.clips.find((one) => one.id === id);
    if (!clip) return;
    clip.review = review;
    this.list.querySelector(`[data-id="${id}"]`)?.replaceWith(this.entry(clip));
    this.mark();
  }

  // Say what the label did; agreed ones enter the index within seconds.
  async learnt(id, label, review) {
    const until = Date.now() + LEARNT_S * 1000;
    this.said.textContent = label === "withdrawn" ? "Taken back: it waits for review again." : `Labelled ${WORDS[label]}.`;
    do {
      const details = await ask(`v1/clips/${id}`);
      if (this.id !== id) return;
      this.details = details;
      this.tellHistory();
      if (!["fake", "real"].includes(review) || details.blocks_in_index) return;
      await new Promise((after) => setTimeout(after, 400));
    } while (this.id === id && Date.now() < until);
  }

  // History is never rewritten: the label before is given again, or a withdrawal where there was none.
  async undo() {
    const [id, before] = this.given.pop() || [];
    if (!id) {
      this.said.textContent = "There is nothing to undo.";
      return;
    }
    if (this.id !== id) {
      location.hash = `#/review/${id}`;
      await this.open(id);
    }
    await this.label(before || "withdrawn", id, "taken back", false);
  }

  move(by) {
    const at = this.clips.findIndex((clip) => clip.id === this.id), clip = this.clips[at + by];
    if (!clip) return;
    location.hash = `#/review/${clip.id}`;
    this.list.querySelector(`[data-id="${clip.id}"]`)?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    if (KEYS[key]) this.label(KEYS[key]);
    else if (key === "z") this.undo();
    else if (key === "arrowdown" || key === "arrowup") this.move(key === "arrowdown" ? 1 : -1);
    else if (key === " " && event.target.tagName !== "BUTTON" && event.target.tagName !== "AUDIO" && this.audio) {
      if (this.audio.paused) this.audio.play();
      else this.audio.pause();
    } else return;
    event.preventDefault();
  }

  leave() {
    this.stop?.();
    this.stop = this.audio = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }
}
