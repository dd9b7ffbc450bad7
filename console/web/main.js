// Which page is shown, and who may see it.

import { titled, watch } from "./alarms.js";
import { ask, h, Problem, send, tell } from "./dom.js";
import { language, LANGUAGES, t } from "./words.js";
import { show as live } from "./live.js";
import { show as review } from "./review.js";
import { show as check } from "./check.js";
import { show as models } from "./models.js";

const PAGES = { live, review, check, models };
const main = document.getElementById("main");
let close = () => {}, shown = null, entering = null;

async function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/"), page = PAGES[name] ? name : "live";
  if (page === shown && page === "review" && rest[0] !== "of") {
    document.dispatchEvent(new CustomEvent("clip", { detail: rest[0] || null }));
    return;
  }
  const moved = shown !== null;
  close();
  close = () => {};
  shown = page;
  tell("");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  titled(`${t(`all.${page}`)} – RADD`);
  main.replaceChildren();
  try {
    const ending = await PAGES[page](main, rest);
    if (shown === page) close = ending || close;
    else ending?.();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(error.message);
  }
  if (moved) main.focus({ preventScroll: true });
}

async function count() {
  const badge = document.getElementById("pending");
  const { clips, next } = await ask("v1/clips?review=pending&limit=100").catch(() => ({ clips: [] }));
  badge.textContent = next ? "100+" : clips.length;
  badge.setAttribute("aria-label", t("all.to_review", { n: badge.textContent }));
  badge.hidden = !clips.length;
}

// Asks for a token where one is needed; where it is being asked for already, that once is enough.
function enter() {
  entering ??= askForToken().finally(() => { entering = null; });
  return entering;
}

async function askForToken() {
  const session = await ask("v1/session");
  document.getElementById("leave").hidden = !session.token_needed || !session.role;
  if (session.role) return;
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const problem = h("p", { class: "spoof", role: "alert" });
  const dialog = h("dialog", { "aria-labelledby": "enter" },
    h("h1", { id: "enter" }, t("all.who")),
    h("p", { class: "muted" }, t("all.token_needed")),
    h("form", {}, h("label", {}, t("all.token"), field), problem, h("p", {}, h("button", { class: "main" }, t("all.enter")))));
  document.body.append(dialog);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  await new Promise((entered) => dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send("v1/session", { token: field.value });
      entered();
    } catch (error) {
      problem.textContent = error.message;
    }
  }));
  dialog.remove();
  document.getElementById("leave").hidden = false;
}

// The page as it is written, in the reader's language, and the choice of another.
function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.firstChild.data = t(node.dataset.t);
  document.querySelector("nav").setAttribute("aria-label", t("all.pages"));
  const choice = h("select", { name: "language", "aria-label": t("all.language"), onchange: () => {
    localStorage.setItem("language", choice.value);
    location.reload();
  } }, ...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code, selected: code === language }, name)));
  document.querySelector("footer").append(choice);
}

translate();
document.getElementById("leave").addEventListener("click", async () => {
  await ask("v1/session", { method: "DELETE" });
  location.reload();
});
document.addEventListener("labelled", count);
document.addEventListener("token-needed", () => enter().catch((problem) => tell(problem.message)));
window.addEventListener("hashchange", route);
await enter();
count();
setInterval(count, 15000);
watch();
route();
