// The bar below a clip in review: the labels, who gives them and why, and what the last one did.

import { h } from "./dom.js";
import { t, word } from "./words.js";

export class Labels {
  // `give` is called with a label, `undo` without anything; `named` is the name of the token, or null.
  constructor(named, give, undo) {
    this.give = give;
    this.field = h("input", { type: "text", name: "reviewer", maxlength: 200, autocomplete: "name",
      value: named || localStorage.getItem("reviewer") || "", readonly: named !== null, title: named ? t("review.token_name") : null,
      onchange: () => localStorage.setItem("reviewer", this.name), onkeydown: (event) => this.entered(event) });
    this.reason = h("input", { type: "text", name: "reason", maxlength: 10000, placeholder: t("review.why_hint"),
      onkeydown: (event) => event.key === "Enter" && this.reason.blur() });
    this.said = h("p", { class: "said", role: "status" });
    this.node = h("div", { class: "card bar-of-labels" },
      h("div", { class: "labels" }, this.button("real", "R"), this.button("fake", "F"), this.button("unsure", "U"),
        h("button", { class: "quiet", onclick: undo }, t("review.undo"), " ", key("Z"))), this.said,
      h("div", { class: "row" }, h("label", {}, t("all.your_name"), this.field), h("label", { class: "wide" }, t("all.why"), this.reason),
        this.player(), h("p", { class: "small muted keys" }, t("review.keys"))));
  }

  get name() { return this.field.value.trim(); }

  button(label, letter) {
    return h("button", { class: label, onclick: () => this.give(label) }, word("states", label), " ", key(letter));
  }

  player() {
    const box = h("input", { type: "checkbox", name: "autoplay", checked: localStorage.getItem("autoplay") === "yes",
      onchange: () => localStorage.setItem("autoplay", box.checked ? "yes" : "no") });
    return h("label", { class: "check" }, box, t("review.autoplay"));
  }

  // The reviewer's name; without one it is asked for, and Enter then gives the label that was wanted.
  reviewer(label) {
    if (this.name) return this.name;
    this.wanted = label;
    this.say(t("review.who"));
    this.field.focus();
    return null;
  }

  entered(event) {
    if (event.key !== "Enter" || !this.name) return;
    localStorage.setItem("reviewer", this.name);
    this.field.blur();
    if (this.wanted) this.give(this.wanted);
    this.wanted = null;
  }

  // Shows a text, and returns a function that replaces it unless something else has been said since.
  say(text) {
    const mine = this.spoken = {};
    this.said.textContent = text;
    return (better) => { if (this.spoken === mine) this.said.textContent = better; };
  }
}

const key = (letter) => h("kbd", { "aria-hidden": "true" }, letter);
