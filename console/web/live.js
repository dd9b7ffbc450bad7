// Live: every stream at a glance, what needs somebody first; one of them large; the streams of another day.

import { h, short } from "./dom.js";
import { alarmCards, options } from "./alarms.js";
import { follow } from "./feed.js";
import { Days } from "./history.js";
import { Stream } from "./stream.js";
import { Tile } from "./tile.js";
import { t } from "./words.js";

const GROUPS = ["alert", "speaking", "silent", "ended"];

export async function show(main) {
  const page = new Live();
  main.append(page.node);
  const end = follow((told) => page.update(told));
  const escape = (event) => event.key === "Escape" && page.close();
  document.addEventListener("keydown", escape);
  return () => { end(); document.removeEventListener("keydown", escape); };
}

class Live {
  constructor() {
    this.tiles = new Map();
    this.alarms = h("section", { class: "alarms", "aria-label": t("live.open_alerts") });
    this.summary = h("p", { class: "small muted", "aria-live": "polite" });
    this.wanted = h("input", { type: "search", name: "search", placeholder: t("live.search"), "aria-label": t("live.search"), oninput: () => this.arrange() });
    this.site = h("select", { name: "site", "aria-label": t("live.site"), onchange: () => this.arrange() }, h("option", { value: "" }, t("live.every_site")));
    this.groups = Object.fromEntries(GROUPS.map((name) => [name, group(name)]));
    this.empty = empty();
    this.now = h("div", {}, this.alarms, this.empty, ...GROUPS.map((name) => this.groups[name].node));
    const days = new Days((past) => { this.now.hidden = past; });
    this.node = h("div", {}, h("div", { class: "row spread head" }, h("div", {}, h("h1", {}, t("live.title")), this.summary),
      h("div", { class: "row" }, this.wanted, this.site, days.field, ...options())), days.node, this.now);
  }

  update({ streams, open, now }) {
    this.streams = streams;
    this.empty.hidden = streams.length > 0;
    alarmCards(this.alarms, open, now);
    this.tell(streams, open);
    this.sites([...new Set(streams.map((stream) => stream.host))].sort());
    for (const [id, tile] of this.tiles) {
      if (!streams.some((stream) => stream.id === id)) { tile.node.remove(); this.tiles.delete(id); }
    }
    for (const stream of streams) {
      if (!this.tiles.has(stream.id)) this.tiles.set(stream.id, new Tile(stream, () => this.toggle(stream.id)));
    }
    this.arrange();
    for (const stream of streams) this.tiles.get(stream.id).update(stream);
    if (this.large) {
      const stream = streams.find((one) => one.id === this.large.id);
      if (stream) this.large.card.update(stream);
      else this.close();
    }
  }

  tell(streams, open) {
    const counts = GROUPS.map((name) => streams.filter((stream) => stream.state.group === name).length);
    const text = streams.length ? [open.length ? t("live.n_alerts", { n: open.length }) : t("live.no_alert"),
      ...["speaking", "silent", "ended"].map((name, i) => t("live.n_group", { n: counts[i + 1], group: t(`live.${name}`) }))].join(" · ") : "";
    if (this.summary.textContent !== text) this.summary.textContent = text;
  }

  sites(hosts) {
    if (this.site.options.length - 1 === hosts.length) return;
    const chosen = this.site.value;
    this.site.replaceChildren(h("option", { value: "" }, t("live.every_site")), ...hosts.map((host) => h("option", { value: host }, host)));
    this.site.value = chosen;
    this.site.hidden = hosts.length < 2;
  }

  // Every tile into its group, by name; only those that change their place are moved.
  arrange() {
    const words = this.wanted.value.toLowerCase().split(/\s+/);
    const chosen = (this.streams || []).filter((stream) => (!this.site.value || stream.host === this.site.value)
      && words.every((one) => `${stream.source} ${stream.host} ${stream.device || ""}`.toLowerCase().includes(one)));
    for (const name of GROUPS) {
      const { node, list, count } = this.groups[name], mine = chosen.filter((stream) => stream.state.group === name)
        .sort((a, b) => short(a.source).localeCompare(short(b.source), [], { numeric: true }));
      const nodes = mine.flatMap(({ id }) => (this.large?.id === id ? [this.tiles.get(id).node, this.large.card.node] : [this.tiles.get(id).node]));
      nodes.forEach((one, i) => { if (list.children[i] !== one) list.insertBefore(one, list.children[i] || null); });
      while (list.children.length > nodes.length) list.lastElementChild.remove();
      node.hidden = !mine.length;
      if (name === "ended" && mine.some(({ id }) => id === this.large?.id)) node.open = true;
      count.textContent = mine.length;
    }
  }

  toggle(id) {
    const same = this.large?.id === id;
    this.close();
    if (same) return;
    const stream = this.streams.find((one) => one.id === id), card = new Stream(stream, () => this.close());
    this.large = { id, card };
    this.tiles.get(id).node.setAttribute("aria-expanded", "true");
    this.arrange();
    card.update(stream);
    card.node.scrollIntoView({ block: "nearest" });
  }

  close() {
    if (!this.large) return;
    const tile = this.tiles.get(this.large.id)?.node, held = this.large.card.node.contains(document.activeElement);
    this.large.card.node.remove();
    this.large = null;
    tile?.setAttribute("aria-expanded", "false");
    if (held) tile?.focus();
  }
}

// Ended streams are folded; the others are open.
function group(name) {
  const list = h("div", { class: "tiles" }), count = h("span", { class: "muted" });
  const title = [t(`live.group_${name}`), " ", count];
  const node = name === "ended" ? h("details", { hidden: true }, h("summary", {}, ...title), list)
    : h("section", { hidden: true, "aria-label": t(`live.group_${name}`) }, h("h2", { class: "group" }, ...title), list);
  return { node, list, count };
}

function empty() {
  return h("div", { class: "card empty", hidden: true }, h("h2", {}, t("live.empty")), h("p", {}, t("live.empty_start")),
    h("p", {}, h("code", {}, "python detect.py")), h("p", {}, h("code", {}, "python detect.py --source call.wav --realtime")),
    h("p", {}, h("a", { class: "button", href: "#/check/microphone" }, t("live.empty_microphone"))));
}
