// Small words for the page: elements, requests, numbers and times as people read them.

import { t, words } from "./words.js";

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

export class Problem extends Error {}

// What an answer holds, read as JSON or as another kind; throws a Problem with the console's own sentence.
export async function ask(path, options = {}, kind = "json") {
  let answer;
  try {
    answer = await fetch(path, options);
    if (answer.ok) return await answer[kind]();
  } catch {
    throw new Problem(t("all.silent"));
  }
  if (answer.status === 401) document.dispatchEvent(new Event("token-needed"));
  const told = await answer.json().catch(() => ({}));
  throw new Problem(told.detail || t("all.answered", { status: answer.status }));
}

export const send = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const VERDICTS = words.verdicts;
const MEASURED = new Set(["bonafide", "suspect", "spoof"]);
export const colourOf = (verdict) => (MEASURED.has(verdict) ? verdict : "none");

export const percent = (p) => {
  if (p == null) return "–";
  const value = 100 * p;
  return value > 0 && value < 1 ? "< 1 %" : value < 100 && value > 99 ? "> 99 %" : `${Math.round(value)} %`;
};

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

// Times in the reader's zone, in the form that the browser is set to.
export const moment = (iso) => new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
export const brief = (iso) => new Date(iso).toLocaleString([], { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
export const dayOf = (iso) => new Date(iso).toLocaleDateString([], { dateStyle: "medium" });
export const timeOf = (iso) => new Date(iso).toLocaleTimeString([], { timeStyle: "short" });

export function fact(name, value, title) {
  return h("div", { title }, h("dt", {}, name), h("dd", {}, value));
}

export const tell = (text) => {
  const notice = document.getElementById("notice");
  notice.textContent = text || "";
  notice.hidden = !text;
};

// A path by its last part; other sources as they are called.
export const short = (source) => (source.includes("/") && !source.includes("(") ? source.split("/").at(-1) : source);

// A stream for a heading: of a call its track and id, the track first because a narrow tile cuts the end.
export const nameOf = ({ source, call_id: call, track }) => (call ? `${track} · ${call}` : short(source));

export const reference = (known) =>
  known.label === "bonafide" ? t("all.a_person") : known.system === "unknown" ? t("all.a_synthetic_voice") : known.system;

// Rows of texts or nodes under a head, in a box that scrolls by itself.
export function table(head, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("all.table", { columns: head.filter(Boolean).join(", ") }) }, h("table", {},
    h("thead", {}, h("tr", {}, ...head.map((text) => h(text ? "th" : "td", text ? { scope: "col" } : {}, text)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell instanceof Node ? cell : String(cell))))))));
}
