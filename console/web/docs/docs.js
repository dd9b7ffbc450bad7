// The HTTP API as a page, from the OpenAPI description that the console serves; nothing comes from elsewhere.

import { ask, h, table } from "../dom.js";

const METHODS = ["get", "post", "delete", "put", "patch"];
const { paths, components } = await ask("../v1/openapi.json");
const named = ({ $ref: name }) => components.schemas[name.split("/").at(-1)];
const whole = (schema) => (schema?.$ref ? named(schema) : schema);

// A schema in a few characters: its type, or the names of its kinds.
function kind(schema = {}) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.const) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  return schema.format || schema.type || "any";
}

const fields = (schema) => Object.entries(whole(schema)?.properties || {}).map(([name, one]) =>
  [name + (whole(schema).required?.includes(name) ? "" : " (optional)"), kind(one), one.description || ""]);

// The route as a command line that works on this machine.
function curl(method, path, { requestBody: body, parameters = [] }) {
  const query = parameters.filter((one) => one.in === "query" && one.required).map((one) => `${one.name}=…`).join("&");
  const url = `${new URL("..", location.href).href.replace(/\/$/, "")}${path}${query ? `?${query}` : ""}`;
  const sent = Object.entries(body?.content || {})[0], schema = sent && whole(sent[1].schema);
  const data = !sent ? "" : sent[0] === "application/json" ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(schema.example || {})}'`
    : ` ${(schema.required || []).map((name) => `-F ${name}=${/files?$/.test(name) ? "@call.mp3" : "…"}`).join(" ")}`;
  return `curl -s${method === "get" ? "" : ` -X ${method.toUpperCase()}`}${data} '${url}'`;
}

function route(method, path, said) {
  const body = Object.values(said.requestBody?.content || {})[0]?.schema, answer = Object.entries(said.responses).find(([code]) => code < 300);
  const given = Object.values(answer?.[1].content || {})[0]?.schema;
  const part = (title, rows) => (rows.length ? [h("h3", {}, title), table(["name", "kind", "what"], rows)] : []);
  return h("details", { class: "card" }, h("summary", {}, h("b", {}, method.toUpperCase()), " ", h("code", {}, path)),
    ...(said.description || said.summary).split("\n\n").map((text) => h("p", {}, text)), h("p", {}, h("code", {}, curl(method, path, said))),
    ...part("Parameters", (said.parameters || []).map((one) => [`${one.name} (${one.in})`, kind(one.schema), one.description || one.schema?.description || ""])),
    ...part("Body", fields(body)), ...part(`Answer ${answer?.[0] || ""}${given?.$ref ? `: ${kind(given)}` : ""}`, fields(given)));
}

const byTag = new Map();
for (const [path, methods] of Object.entries(paths)) {
  for (const method of METHODS.filter((name) => methods[name])) {
    const tag = methods[method].tags?.[0] || "other";
    byTag.set(tag, [...(byTag.get(tag) || []), route(method, path, methods[method])]);
  }
}
document.getElementById("routes").append(...[...byTag].flatMap(([tag, nodes]) => [h("h2", { class: "part" }, tag), ...nodes]));
