// Keeps recordings with a label, for the index and for retraining: asked for by a person, and with where they come from.

import { ask, h, Problem } from "./dom.js";
import { t, word } from "./words.js";

// "This is real", "this is fake": for one recording that was checked.
export function keepButtons(file) {
  const said = h("p", { role: "status" });
  const button = (label) => h("button", { class: label, onclick: () => keep([file], label, (made) => {
    const link = new URL(`#/review/${made.id}`, location.href).href;
    said.replaceChildren(outcome(made, label), " ", h("a", { href: `#/review/${made.id}` }, t("keep.open")), " ",
      h("button", { class: "quiet", onclick: () => navigator.clipboard.writeText(link).then(() => said.append(` ${t("keep.copied")}`)) }, t("keep.copy")));
  }) }, t(`keep.this_is_${label}`));
  return h("div", { class: "keep row actions" }, button("real"), button("fake"), h("span", { class: "small muted" }, t("keep.hint")), said);
}

const outcome = ({ review }, label) => t(review === "pending" ? "keep.waits" : "keep.counts", { label: word("states", label) });

// Asks for name, source and licence once, and sends the files one after the other; `done` hears of each what the console made of it.
export function keep(files, label, done, failed = () => {}) {
  const field = (name, text, required = true) => h("input", { type: "text", name, required, maxlength: 500, value: localStorage.getItem(`keep.${name}`) || "" });
  const person = h("input", { type: "text", name: "reviewer", required: true, maxlength: 200, autocomplete: "name", value: localStorage.getItem("reviewer") || "" });
  const source = field("source"), licence = field("licence"), problem = h("p", { class: "spoof", role: "alert" }), progress = h("p", { role: "status" });
  const dialog = h("dialog", { "aria-labelledby": "keeping", onclose: () => dialog.remove() },
    h("h2", { id: "keeping" }, t("keep.title", { n: files.length, label: word("states", label) })), h("p", {}, t("keep.what")),
    h("form", {}, h("label", {}, t("all.your_name"), person), h("label", {}, t("keep.source"), source), h("label", {}, t("keep.licence"), licence),
      problem, progress, h("div", { class: "row actions" }, h("button", { class: "main" }, t("keep.keep")),
        h("button", { type: "button", onclick: () => dialog.close() }, t("all.cancel")))));
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    dialog.querySelector("button.main").disabled = true;
    localStorage.setItem("reviewer", person.value.trim());
    for (const one of [source, licence]) localStorage.setItem(`keep.${one.name}`, one.value.trim());
    const problems = [];
    for (const [i, file] of files.entries()) {
      if (!dialog.open) break;
      progress.textContent = t("keep.progress", { i: i + 1, n: files.length });
      try {
        done(await sent(file, { label, reviewer: person.value.trim(), source: source.value.trim(), licence: licence.value.trim() }), file);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problems.push(`${file.name}: ${error.message}`);
        failed(file, error.message);
      }
    }
    if (!problems.length) return dialog.close();
    progress.textContent = "";
    problem.textContent = problems.join(" ");
    return dialog.querySelector("button.main").remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function sent(file, fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file);
  return ask("v1/uploads", { method: "POST", body: form });
}
