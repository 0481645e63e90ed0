import { describe, expect, it } from "vitest";
import { en } from "../src/lib/messages/en";
import { es } from "../src/lib/messages/es";

/** Every leaf with its path; a function is called with as many samples as it takes. */
function leaves(value: unknown, path = ""): [string, string][] {
  if (typeof value === "function") {
    const say = value as (...all: unknown[]) => string;
    return [[`${path}()${say.length}`, say(...Array.from({ length: say.length }, (_, i) => i + 2))]];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key));
  }
  return [[path, String(value)]];
}

describe("what the page says", () => {
  it("has the same keys and the same arguments in both languages", () => {
    expect(leaves(en).map(([path]) => path)).toEqual(leaves(es).map(([path]) => path));
  });

  it("leaves nothing empty, undefined or untrimmed", () => {
    for (const [path, text] of [...leaves(es), ...leaves(en)]) {
      expect(text.trim(), path).toBe(text);
      expect(text, path).not.toBe("");
      expect(text, path).not.toMatch(/undefined|NaN|\[object/);
    }
  });

  it("is not left in the other language", () => {
    // The same word in both, or nothing but a name or a figure.
    const same = new Set(["Enterprise", "AUTOCREA", "Powered by JoxAI", "Tokens", "2 tokens", "Plan"]);
    const english = new Map(leaves(en));
    const left = leaves(es).filter(
      ([path, text]) =>
        english.get(path) === text && !same.has(text) && !path.endsWith(".id") && /[a-z]{4}/i.test(text),
    );
    expect(left).toEqual([]);
  });
});
