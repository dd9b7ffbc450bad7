// Recordings that people added with a label: add some, see them in the pool, remove them.

import { ask, clock, h, moment, Problem, table, tell } from "./dom.js";
import { droppable } from "./check.js";
import { keep } from "./keep.js";
import { t, word } from "./words.js";

const COLOURS = { fake: "spoof", real: "bonafide" };

export class Uploads {
  constructor(mayKeep) {
    this.mayKeep = mayKeep;
    this.label = h("select", { name: "label" }, ...["fake", "real"].map((name) => h("option", { value: name }, word("states", name))));
    this.list = h("div");
    this.node = h("section", { class: "card", "aria-labelledby": "uploads" }, h("h2", { id: "uploads" }, t("uploads.title")),
      h("p", { class: "muted" }, t("uploads.what")), mayKeep ? this.drop() : "", this.list);
  }

  drop() {
    const take = (files) => files.length && keep(files, this.label.value, () => this.show().catch(told));
    const files = h("input", { type: "file", id: "uploads-files", multiple: true, accept: "audio/*,video/*,.flac,.opus,.ogg,.m4a", hidden: true,
      onchange: () => { take([...files.files]); files.value = ""; } });
    const node = h("div", { class: "drop small-drop" }, h("div", { class: "row" }, h("label", { class: "check" }, t("uploads.they_are"), this.label),
      h("button", { onclick: () => files.click() }, t("check.files")), h("span", { class: "muted small" }, t("uploads.or_drop"))), files);
    droppable(node, take);
    return node;
  }

  async show() {
    const { uploads } = await ask("v1/uploads");
    this.list.replaceChildren(uploads.length ? table([t("uploads.file"), t("uploads.state"), t("check.length"), t("keep.source"), t("keep.licence"), t("uploads.by"), ""],
      uploads.map((one) => [h("a", { href: `#/review/${one.id}` }, one.file || one.id.slice(0, 8)),
        h("b", { class: COLOURS[one.review] || "none" }, word("states", one.review)), clock(one.duration_s), one.source, one.licence,
        `${one.uploaded_by}, ${moment(one.uploaded_utc)}`, this.mayKeep ? this.remove(one) : ""]))
      : h("p", { class: "muted" }, t("uploads.none")));
  }

  // Asked once more on the button itself: what is removed is gone for good.
  remove(one) {
    const button = h("button", { class: "quiet", "aria-label": t("uploads.remove_one", { file: one.file }), onclick: async () => {
      if (!button.dataset.sure) {
        button.dataset.sure = "yes";
        button.textContent = t("uploads.sure");
        return;
      }
      try {
        await ask(`v1/uploads/${one.id}`, { method: "DELETE" });
        await this.show();
      } catch (error) { told(error); }
    } }, t("uploads.remove"));
    return button;
  }
}

function told(error) {
  if (!(error instanceof Problem)) throw error;
  tell(error.message);
}
