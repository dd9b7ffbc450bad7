// Review: the queue of clips, one of them to see and hear, and the labels that move on to the next.

import { ask, brief, clock, h, percent, Problem, send, short } from "./dom.js";
import { Clip } from "./clip.js";
import { Labels } from "./labels.js";
import { t, word } from "./words.js";

const STATES = ["pending", "fake", "real", "unsure", "conflict", "expired"];
const COLOURS = { fake: "spoof", real: "bonafide", conflict: "suspect" };
const KEYS = { r: "real", f: "fake", u: "unsure" };
const LEARNT_S = 12, LEARNT_EVERY_MS = 400;

// `wanted` is the id of a clip, or "of" and then the id of a stream whose clips are shown.
export async function show(main, [wanted, stream]) {
  const { role, reviewer } = await ask("v1/session");
  const page = new Review(role !== "viewer", reviewer, stream);
  main.append(page.node);
  const clip = (event) => event.detail && page.open(event.detail);
  const key = (event) => page.key(event);
  document.addEventListener("clip", clip);
  document.addEventListener("keydown", key);
  await page.load(stream ? null : wanted);
  return () => {
    document.removeEventListener("clip", clip);
    document.removeEventListener("keydown", key);
    page.clip?.leave();
  };
}

class Review {
  constructor(mayLabel, named, stream) {
    this.stream = stream;
    this.clips = [];
    this.given = [];
    this.ready = new Map();
    const choose = (name, text, entries) => {
      this[name] = h("select", { name, onchange: () => this.load() }, ...entries.map(([value, said]) => h("option", { value }, said)));
      return h("label", {}, text, this[name]);
    };
    this.list = h("ol", { class: "queue", "aria-label": t("review.clips") });
    this.more = h("button", { class: "quiet", onclick: () => this.page() }, t("review.more"));
    this.detail = h("section", { "aria-label": t("review.clip"), tabindex: "-1" });
    this.labels = mayLabel ? new Labels(named, (label) => this.label(label), () => this.undo()) : null;
    this.node = h("div", {}, h("div", { class: "row spread head" }, h("div", {}, h("h1", {}, t("review.title")),
      stream ? h("p", { class: "small muted" }, t("review.of_stream"), " ", h("a", { href: "#/review" }, t("review.of_all"))) : null),
      h("div", { class: "row filters" },
        choose("review", t("review.state"), [...STATES.map((name) => [name, word("states", name)]), ["", t("review.all")]]),
        choose("kind", t("review.kind"), [["", t("review.all")], ["alert", t("review.alerts")], ["sample", t("review.samples")]]),
        choose("order", t("review.order"), [["informative", t("review.informative")], ["newest", t("review.newest")]]))),
    h("div", { class: "review" }, h("div", { class: "waiting" }, this.list, this.more),
      h("div", { class: "one" }, this.detail, this.labels?.node ?? h("p", { class: "muted" }, t("review.role")))));
    if (stream) this.review.value = "";
  }

  async load(wanted) {
    this.clips = [];
    this.id = null;
    this.next = null;
    this.ready.clear();
    this.list.replaceChildren();
    const turn = this.turn = Symbol("a choice of clips");
    await this.page();
    if (turn !== this.turn) return; // another choice was made meanwhile: its answer fills the list
    const id = wanted || this.after(0)?.id;
    if (id) await this.open(id);
    else this.nothing();
  }

  nothing() {
    this.clip?.leave();
    this.clip = this.id = null;
    const reviewed = this.review.value === "pending";
    this.detail.replaceChildren(h("div", { class: "card empty" }, h("h2", {}, t(reviewed ? "review.done" : "review.nothing")),
      h("p", {}, t(reviewed ? "review.done_next" : "review.nothing_next"))));
  }

  async page() {
    const query = new URLSearchParams({ order: this.order.value, limit: 50 });
    for (const name of ["review", "kind"]) if (this[name].value) query.set(name, this[name].value);
    if (this.stream) query.set("stream", this.stream);
    if (this.next) query.set("after", this.next);
    const turn = this.turn;
    const { clips, next } = await ask(`v1/clips?${query}`);
    if (turn !== this.turn) return;
    this.next = next;
    this.more.hidden = !next;
    for (const clip of clips) this.put(clip, this.clips.length);
    this.mark();
  }

  put(clip, at) {
    this.clips.splice(at, 0, clip);
    this.list.insertBefore(h("li", {}, this.entry(clip)), this.list.children[at] || null);
  }

  entry(clip) {
    const verdict = ["spoof", "suspect"].includes(clip.verdict) ? clip.verdict : "none";
    return h("button", { "data-id": clip.id, onclick: () => { location.hash = `#/review/${clip.id}`; } },
      h("span", { class: "name" }, short(clip.source)), h("span", { class: verdict }, percent(clip.peak_p_spoof)),
      h("span", { class: "when" }, `${brief(clip.began_utc)} · ${clock(clip.duration_s)}`),
      h("span", { class: `state ${COLOURS[clip.review] || "none"}` },
        clip.review !== "pending" ? word("states", clip.review)
          : t({ sample: "review.sample", open: "review.open" }[clip.state] || "states.pending")));
  }

  mark() {
    for (const button of this.list.querySelectorAll("button")) {
      if (button.dataset.id !== this.id) button.removeAttribute("aria-current");
      else {
        button.setAttribute("aria-current", "true");
        this.list.scrollTop = Math.max(0, button.parentNode.offsetTop - this.list.offsetTop - 60);
      }
    }
  }

  // What a clip's card needs, asked for once; the next clip's is asked for while this one is heard.
  fetched(id) {
    if (!this.ready.has(id)) {
      const found = { details: ask(`v1/clips/${encodeURIComponent(id)}`), sound: ask(`v1/clips/${encodeURIComponent(id)}/sound`, {}, "arrayBuffer").catch(() => null) };
      found.details.catch(() => {});
      this.ready.set(id, found);
    }
    return this.ready.get(id);
  }

  async open(id) {
    if (this.id === id) return;
    this.clip?.leave();
    this.clip = null;
    this.id = id;
    this.mark();
    const { details, sound } = this.fetched(id);
    let clip;
    try {
      clip = new Clip(await details, sound);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.id === id) this.detail.replaceChildren(h("div", { class: "card empty" }, h("p", {}, error.message)));
      return;
    }
    if (this.id !== id) return clip.leave();
    this.clip = clip;
    this.detail.replaceChildren(clip.node);
    clip.begin();
    this.ready.clear();
    const following = this.after(this.at() + 1);
    if (following) this.fetched(following.id);
  }

  // The first clip from a place on that can be labelled, or the last one: an open alert cannot yet.
  after(at) { return this.clips.slice(at).find((clip) => clip.state !== "open") || this.clips.at(-1); }

  at(id = this.id) { return this.clips.findIndex((clip) => clip.id === id); }

  async label(label) {
    const id = this.id, details = this.clip?.details;
    if (!details || !this.labels || this.sending) return;
    const reviewer = this.labels.reviewer(label);
    if (!reviewer) return;
    const mine = details.labels.filter((said) => said.reviewer === reviewer).at(-1)?.label;
    const row = this.clips[this.at()] || details.clip, at = this.at();
    const review = await this.give(id, label, this.labels.reason.value);
    if (!review) return;
    this.given.push({ id, mine, row, at });
    this.labels.reason.value = "";
    this.leaveQueue(id, review);
    const following = this.after(this.review.value === "pending" ? at : at + 1);
    if (following && following.id !== id) location.hash = `#/review/${following.id}`;
    else if (!following) this.nothing();
    await this.learnt(id, short(details.clip.source), label, review);
  }

  // The resulting state of review; null where the label was refused, which is said.
  async give(id, label, reason) {
    this.sending = true;
    try {
      const { review } = await send(`v1/clips/${id}/label`, { label, reviewer: this.labels.name, reason });
      this.ready.delete(id);
      document.dispatchEvent(new Event("labelled"));
      return review;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.labels.say(error.message);
      return null;
    } finally {
      this.sending = false;
    }
  }

  // A labelled clip leaves the queue of clips to review, and stays in the other lists.
  leaveQueue(id, review) {
    const at = this.at(id);
    if (at < 0) return;
    this.clips[at].review = review;
    if (this.review.value === "pending") {
      this.clips.splice(at, 1);
      this.list.children[at].remove();
      if (this.clips.length < 5 && this.next) this.page();
    } else this.list.children[at].replaceChildren(this.entry(this.clips[at]));
  }

  // Say what the label did; agreed ones enter the index within seconds.
  async learnt(id, name, label, review) {
    const until = Date.now() + LEARNT_S * 1000, said = this.labels.say(t("review.labelled", { name, label: word("states", label) }));
    if (review === "pending") return said(t("review.needs_more", { name, label: word("states", label) }));
    while (["fake", "real"].includes(review) && Date.now() < until && this.node.isConnected) {
      const { blocks_in_index: blocks } = await ask(`v1/clips/${id}`);
      if (blocks) return said(t("review.entered", { name, label: word("states", label), n: blocks }));
      await new Promise((after) => setTimeout(after, LEARNT_EVERY_MS));
    }
  }

  // History is never rewritten: the label before is given again, or a withdrawal where there was none.
  async undo() {
    const last = this.given.at(-1);
    if (!this.labels || this.sending) return;
    if (!last) return void this.labels.say(t("review.nothing_to_undo"));
    const review = await this.give(last.id, last.mine || "withdrawn", t("review.taken_back_reason"));
    if (!review) return;
    this.given.pop();
    const row = { ...last.row, review };
    if (this.at(last.id) < 0 && last.at >= 0) this.put(row, Math.min(last.at, this.clips.length));
    else this.leaveQueue(last.id, review);
    this.labels.say(t("review.taken_back", { name: short(row.source) }));
    this.id = null;
    location.hash = `#/review/${last.id}`;
    await this.open(last.id);
  }

  move(by) {
    const clip = this.clips[this.at() + by];
    if (clip) location.hash = `#/review/${clip.id}`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    if (KEYS[key]) this.label(KEYS[key]);
    else if (key === "z") this.undo();
    else if (key === "arrowdown" || key === "arrowup") this.move(key === "arrowdown" ? 1 : -1);
    else if (key === "b") this.clip?.compare();
    else if (key === " " && !["BUTTON", "AUDIO", "SUMMARY"].includes(event.target.tagName)) this.clip?.toggle();
    else return;
    event.preventDefault();
  }
}
