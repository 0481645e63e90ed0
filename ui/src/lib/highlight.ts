/**
 * Colours for code. The library and each language are fetched the first time they are needed;
 * until then, and for files too large to be worth it, code is shown plain.
 */
import type { HLJSApi, LanguageFn } from "highlight.js";

const LANGUAGES: Record<string, () => Promise<{ default: LanguageFn }>> = {
  xml: () => import("highlight.js/lib/languages/xml"),
  css: () => import("highlight.js/lib/languages/css"),
  scss: () => import("highlight.js/lib/languages/scss"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  json: () => import("highlight.js/lib/languages/json"),
  markdown: () => import("highlight.js/lib/languages/markdown"),
  python: () => import("highlight.js/lib/languages/python"),
  rust: () => import("highlight.js/lib/languages/rust"),
  go: () => import("highlight.js/lib/languages/go"),
  java: () => import("highlight.js/lib/languages/java"),
  php: () => import("highlight.js/lib/languages/php"),
  sql: () => import("highlight.js/lib/languages/sql"),
  bash: () => import("highlight.js/lib/languages/bash"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
  ini: () => import("highlight.js/lib/languages/ini"),
  dockerfile: () => import("highlight.js/lib/languages/dockerfile"),
};

const ENDINGS: Record<string, string> = {
  html: "xml", htm: "xml", xml: "xml", svg: "xml", vue: "xml", svelte: "xml", css: "css", scss: "scss",
  js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript", ts: "typescript", tsx: "typescript",
  json: "json", md: "markdown", py: "python", rs: "rust", go: "go", java: "java", kt: "java", php: "php", sql: "sql",
  sh: "bash", bash: "bash", yml: "yaml", yaml: "yaml", toml: "ini", ini: "ini", env: "ini", dockerfile: "dockerfile",
}; // prettier-ignore

/** Beyond this, colouring would be felt at every key press. */
export const MOST_COLOURED = 200_000;

export function languageOf(path: string): string | null {
  const name = path.split("/").at(-1)?.toLowerCase() ?? "";
  return ENDINGS[name.split(".").at(-1) ?? ""] ?? null;
}

let core: Promise<HLJSApi> | undefined;
const known = new Set<string>();
let ready: HLJSApi | null = null;

/** Makes a language available; false if there is none for this path. */
export async function prepare(path: string): Promise<boolean> {
  const language = languageOf(path);
  const load = language ? LANGUAGES[language] : undefined;
  if (!language || !load) return false;
  core ??= import("highlight.js/lib/core").then((module) => module.default);
  const [library, definition] = await Promise.all([core, load()]);
  if (!known.has(language)) library.registerLanguage(language, definition.default);
  known.add(language);
  // A page's own scripts and styles are coloured too.
  if (language === "xml" && !known.has("css")) {
    await Promise.all([prepare("a.css"), prepare("a.js")]);
  }
  ready = library;
  return true;
}

/** Lines of HTML for a language that has been prepared; null if it has not. The library escapes. */
export function colour(text: string, path: string): string[] | null {
  const language = languageOf(path);
  if (!ready || !language || !known.has(language) || text.length > MOST_COLOURED) return null;
  return lines(ready.highlight(text, { language, ignoreIllegals: true }).value);
}

/** Cuts highlighted HTML at line ends; a span that crosses one is closed and opened again. */
export function lines(html: string): string[] {
  const open: string[] = [];
  return html.split("\n").map((line) => {
    const start = open.join("");
    for (const [tag] of line.matchAll(/<span[^>]*>|<\/span>/g)) {
      if (tag === "</span>") open.pop();
      else open.push(tag);
    }
    return start + line + "</span>".repeat(open.length);
  });
}
