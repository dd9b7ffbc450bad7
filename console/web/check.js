// Check: recordings, or this browser's microphone, scored second by second; what was checked stays for the session.

import { ask, clock, h, percent, Problem } from "./dom.js";
import { Microphone } from "./microphone.js";
import { COLOURS, partsOf, resultCard, wording } from "./result.js";
import { t } from "./words.js";

const SOUNDS = /\.(wav|flac|mp3|og[ga]|opus|m4a|aac|wma|aiff?|mp4|mkv|webm|mov|amr)$/i;
const checked = []; // {file, prediction, problem, card} of this session, the latest first
let chosen = null, page = null;

export async function show(main, [wish]) {
  const { role } = await ask("v1/session");
  page = new Check(role !== "viewer");
  main.append(page.node);
  page.update();
  if (wish === "microphone") page.microphone.start();
  return () => { page.microphone.end(); page = null; };
}

class Check {
  constructor(mayKeep) {
    this.mayKeep = mayKeep;
    this.list = h("section", { class: "card results", hidden: true, "aria-label": t("check.checked") });
    this.one = h("div");
    this.microphone = new Microphone((file) => check([file]));
    const files = h("input", { type: "file", id: "file", multiple: true, accept: "audio/*,video/*,.flac,.opus,.ogg,.m4a", hidden: true,
      onchange: () => { check([...files.files]); files.value = ""; } });
    const folder = h("input", { type: "file", id: "folder", webkitdirectory: true, hidden: true,
      onchange: () => { check(sounds([...folder.files])); folder.value = ""; } });
    const drop = h("section", { class: "drop", "aria-label": t("check.choose") },
      h("h2", {}, t("check.drop")), h("p", { class: "muted" }, t("check.formats")),
      h("div", { class: "row" }, h("button", { class: "main", onclick: () => files.click() }, t("check.files")),
        h("button", { onclick: () => folder.click() }, t("check.folder")), this.microphone.button), files, folder);
    droppable(drop, check);
    this.node = h("div", {}, h("h1", {}, t("check.title")), drop, this.microphone.node, this.list, this.one);
  }

  // A table where there are several results, and the card of the one that is chosen.
  update() {
    this.node.classList.toggle("begun", checked.length > 0);
    const several = checked.length > 1, focused = document.activeElement?.dataset.row;
    this.list.hidden = !several;
    if (several) {
      this.list.replaceChildren(h("div", { class: "row spread" }, h("h2", {}, t("check.n", { n: checked.length })),
        h("button", { class: "quiet", onclick: () => { checked.length = 0; chosen = null; this.update(); } }, t("check.forget"))),
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...["file", "verdict", "probability", "length", "parts"].map((name) => h("th", { scope: "col" }, t(`check.${name}`))))),
        h("tbody", {}, ...checked.map((one, i) => this.row(one, i))))));
      if (focused) this.list.querySelector(`[data-row="${focused}"]`)?.focus();
    }
    if (chosen) chosen.card ??= resultCard(chosen, this.mayKeep);
    if (this.one.firstChild !== chosen?.card) this.one.replaceChildren(...(chosen ? [chosen.card] : []));
  }

  row(one, i) {
    const { prediction, problem } = one, spoofs = prediction ? partsOf(prediction).filter((part) => part.verdict === "spoof") : [];
    return h("tr", { "aria-busy": one.busy ? "true" : null, class: one === chosen ? "chosen" : null },
      h("td", {}, h("button", { class: "link", "data-row": i, onclick: () => { chosen = one; this.update(); this.one.scrollIntoView({ block: "nearest" }); } }, one.file.name)),
      problem ? h("td", { colspan: 4, class: "suspect", role: "alert" }, problem)
        : one.busy ? h("td", { colspan: 4, class: "muted" }, t("check.listening"))
          : [h("td", { class: COLOURS(prediction) }, h("b", {}, wording(prediction).headline)), h("td", {}, percent(prediction.p_spoof)),
            h("td", {}, clock(prediction.duration_s)), h("td", {}, spoofs.map((part) => `${clock(part.began)}–${clock(part.ended)}`).join(", ") || "–")]);
  }
}

// Scores files one after the other, also while another page is shown.
async function check(files) {
  const news = files.map((file) => ({ file, busy: true }));
  checked.unshift(...news);
  chosen = news[0] || chosen;
  page?.update();
  for (const one of news) {
    const form = new FormData();
    form.append("file", one.file);
    try {
      one.prediction = await ask("v1/predict", { method: "POST", body: form });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      one.problem = error.message;
    }
    one.busy = false;
    one.card = null;
    page?.update();
  }
}

const sounds = (files) => files.filter((file) => SOUNDS.test(file.name)).sort((a, b) => a.name.localeCompare(b.name, [], { numeric: true }));

// Files and folders that are dropped on a node, handed over as a list of files.
export function droppable(node, take) {
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("over"); });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", async (event) => {
    event.preventDefault();
    node.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const whole = [...event.dataTransfer.files];
    take(entries.some((entry) => entry.isDirectory) ? sounds((await Promise.all(entries.map(within))).flat()) : whole);
  });
}

async function within(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return (await Promise.all(found.map(within))).flat();
    found.push(...some);
  }
}
