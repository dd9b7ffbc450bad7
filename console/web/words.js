// The texts of the pages in the reader's language; words.json is the catalogue, the others its translations.

import english from "./words.json" with { type: "json" };

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español" };

function chosen() {
  const wanted = [globalThis.localStorage?.getItem("language"), ...(globalThis.navigator?.languages || [])];
  return wanted.map((name) => name?.split("-")[0]).find((name) => name in LANGUAGES) || "en";
}

export const language = chosen();
const translated = { de: () => import("./words.de.json", { with: { type: "json" } }),
  es: () => import("./words.es.json", { with: { type: "json" } }) };
export const words = language === "en" ? english : (await translated[language]()).default;
const plural = new Intl.PluralRules(language);

// The text of a key such as "review.undo"; {name} in it becomes the value, and {n} also chooses singular or plural.
export function t(key, values = {}) {
  const [part, name] = key.split(".");
  let text = words[part]?.[name] ?? english[part][name];
  if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, word) => values[word]);
}

// The text of a word that the server says, such as a state; the word itself where the catalogue has none.
export const word = (part, name) => words[part][name] ?? english[part][name] ?? name;
