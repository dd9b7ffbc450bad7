// Which page is shown, and who may see it.

import { ask, h, Problem, send, tell } from "./dom.js";
import { show as live } from "./live.js";
import { show as review } from "./review.js";
import { show as check } from "./check.js";
import { show as models } from "./models.js";

const PAGES = { live: ["Live", live], review: ["Review", review], check: ["Check", check], models: ["Models", models] };
const main = document.getElementById("main");
let close = () => {}, shown = null, entering = null;

async function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/"), page = PAGES[name] ? name : "live";
  if (page === shown && page === "review") {
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
  document.title = `${PAGES[page][0]} – RADD`;
  main.replaceChildren();
  try {
    const ending = await PAGES[page][1](main, rest);
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
  badge.setAttribute("aria-label", `${badge.textContent} to review`);
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
    h("h1", { id: "enter" }, "Who is there?"),
    h("p", { class: "muted" }, "This console needs a token. It is set in [serve] of its configuration."),
    h("form", {}, h("label", {}, "Token", field), problem, h("p", {}, h("button", { class: "main" }, "Enter"))));
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
route();
