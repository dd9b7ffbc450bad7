// Open alerts: the loudest thing on the page, and where wished a sound and a notification; the same on every page.

import { ask, clock, h, nameOf, percent, timeOf } from "./dom.js";
import { t } from "./words.js";

const LOOK_MS = 5_000, MUTED_MS = 15 * 60_000;
const stored = (name) => JSON.parse(localStorage.getItem(name) || "{}");
let known = null, plain = "RADD", mark = "";

// What this browser has said about alerts and streams: {id: until when, ms}.
const acknowledged = (alert) => alert.id in stored("acknowledged");
const muted = (alert) => stored("muted")[alert.stream_id] > Date.now();

function keep(name, id, until) {
  const still = Object.entries(stored(name)).filter(([, end]) => end > Date.now());
  localStorage.setItem(name, JSON.stringify({ ...Object.fromEntries(still), [id]: until }));
}

// One card an open alert: since when, how sure, its clip, and what to do.
export function alarmCards(box, open, now) {
  for (const node of [...box.children]) if (!open.some((alert) => alert.id === node.dataset.id)) node.remove();
  for (const alert of open) {
    let card = [...box.children].find((node) => node.dataset.id === alert.id);
    if (!card) box.append(card = alarmCard(alert));
    card.classList.toggle("calm", acknowledged(alert) || muted(alert));
    card.querySelector(".for").textContent = t("live.since_for", { when: timeOf(alert.began_utc), span: clock((new Date(now) - new Date(alert.began_utc)) / 1000) });
    card.querySelector(".sure").textContent = t("live.sure", { p: percent(alert.peak_p_spoof) });
  }
  loud(open);
}

function alarmCard(alert) {
  const act = (name, id, until) => () => { keep(name, id, until()); document.querySelector(`.alarm-card[data-id="${alert.id}"]`)?.classList.add("calm"); };
  return h("article", { class: "alarm-card", "data-id": alert.id, "aria-label": t("live.alert_on", { name: nameOf(alert) }) },
    h("div", {}, h("h2", { title: alert.source }, t("live.alert_on", { name: nameOf(alert) })),
      h("p", {}, h("span", { class: "for" }), " · ", h("b", { class: "sure" }), ` · ${alert.host}`)),
    h("div", { class: "row" }, h("a", { class: "button", href: `#/review/${alert.id}` }, t("live.listen")),
      h("button", { onclick: act("acknowledged", alert.id, () => Date.now() + 7 * 86_400_000) }, t("live.acknowledge")),
      h("button", { onclick: act("muted", alert.stream_id, () => Date.now() + MUTED_MS), title: t("live.mute_hint") }, t("live.mute"))));
}

// The title and the icon of the page count what is loud; new ones sound and notify where that is wished.
function loud(open) {
  const calling = open.filter((alert) => !acknowledged(alert) && !muted(alert)), fresh = calling.filter((alert) => known && !known.has(alert.id));
  known = new Set(open.map((alert) => alert.id));
  const icon = document.querySelector("link[rel=icon]"), wanted = calling.length ? "alarm.svg" : "icon.svg";
  if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
  mark = calling.length ? `(${t("live.n_alerts", { n: calling.length })}) ` : "";
  titled(plain);
  if (!fresh.length) return;
  if (localStorage.getItem("sound") === "yes") beep();
  if (localStorage.getItem("notify") === "yes" && globalThis.Notification?.permission === "granted") {
    for (const alert of fresh) new Notification(t("live.alert_on", { name: nameOf(alert) }), { tag: alert.id, body: t("live.sure", { p: percent(alert.peak_p_spoof) }) });
  }
}

// The title of the page, behind the number of alerts.
export function titled(text) {
  plain = text;
  if (document.title !== mark + plain) document.title = mark + plain;
}

function beep() {
  const context = new AudioContext(), tone = new OscillatorNode(context, { frequency: 880 }), volume = new GainNode(context, { gain: 0.15 });
  tone.connect(volume).connect(context.destination);
  volume.gain.setTargetAtTime(0, context.currentTime + 0.35, 0.05);
  tone.start();
  tone.stop(context.currentTime + 0.8);
  tone.onended = () => context.close();
}

// The two wishes, as boxes; a notification needs the browser's permission.
export function options() {
  const box = (name, text, ask_first) => {
    const field = h("input", { type: "checkbox", name, checked: localStorage.getItem(name) === "yes", onchange: async () => {
      if (field.checked && ask_first) field.checked = await ask_first();
      localStorage.setItem(name, field.checked ? "yes" : "no");
    } });
    return h("label", { class: "check" }, field, text);
  };
  return [box("sound", t("live.sound"), () => { beep(); return true; }),
    globalThis.Notification && box("notify", t("live.notify"), async () => (await Notification.requestPermission()) === "granted")].filter(Boolean);
}

// Beside the other pages: the live page looks for itself.
export function watch() {
  setInterval(async () => {
    if (document.querySelector(".alarms")) return;
    const { alerts } = await ask("v1/live/alerts").catch(() => ({ alerts: [] }));
    loud(alerts);
  }, LOOK_MS);
}
