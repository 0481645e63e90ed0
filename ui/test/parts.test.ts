import { describe, expect, it } from "vitest";
import { colour, lines, prepare } from "../src/lib/highlight";
import { append, readMessage, type ConsoleLine } from "../src/lib/preview";
import { matches } from "../src/lib/search";
import { read, write } from "../src/lib/state/route";
import { rows } from "../src/lib/tree";
import { source } from "../src/views/account/source";

describe("highlighting", () => {
  it("closes at each line end what it opens again on the next", () => {
    expect(lines('<span class="a">x\ny</span>z')).toEqual([
      '<span class="a">x</span>',
      '<span class="a">y</span>z',
    ]);
  });

  it("escapes whatever a file contains", async () => {
    expect(await prepare("a.html")).toBe(true);
    const all = colour('<img src=x onerror="alert(1)">\n<script>\nlet a = "</b>";\n</script>\n', "a.html");
    expect(all?.join("\n").replace(/<\/?span[^>]*>/g, "")).not.toContain("<");
    expect(all).toHaveLength(5);
  });

  it("leaves alone what it has no language for", async () => {
    expect(await prepare("LICENSE")).toBe(false);
    expect(colour("x", "LICENSE")).toBeNull();
  });
});

describe("what a previewed page posts", () => {
  it("is read only from our envelope, bounded", () => {
    expect(readMessage("hello")).toBeNull();
    expect(readMessage({ level: "error", text: "x" })).toBeNull();
    expect(readMessage({ source: "autocrea-preview", kind: "ready" })).toBeNull();
    expect(readMessage({ source: "autocrea-preview", level: "debug", text: "x".repeat(9000) })).toMatchObject(
      { level: "log", text: "x".repeat(4000) },
    );
  });

  it("names the file and not the frame's address", () => {
    expect(
      readMessage({
        source: "autocrea-preview",
        level: "error",
        text: "x",
        file: "preview://p-1/js/app.js?v=2",
        line: 3,
        column: 5,
      })?.where,
    ).toBe("js/app.js:3:5");
    expect(
      readMessage({ source: "autocrea-preview", level: "error", text: "x", file: "", line: 0, column: 0 })
        ?.where,
    ).toBe("");
  });

  it("counts what repeats and forgets what is old", () => {
    const line: ConsoleLine = { level: "log", text: "a", where: "", count: 1 };
    expect(append(append([], line), line)).toEqual([{ ...line, count: 2 }]);
    const many = Array.from({ length: 400 }, (_, i) => ({ ...line, text: String(i) })).reduce<ConsoleLine[]>(
      append,
      [],
    );
    expect(many).toHaveLength(300);
    expect(many.at(-1)?.text).toBe("399");
  });
});

describe("finding, placing and naming", () => {
  it("finds without accents and in any order", () => {
    expect(matches("Menú del día", "dia menu")).toBe(true);
    expect(matches("Menú", "cena")).toBe(false);
  });

  it("comes back to the same place after a reload", () => {
    for (const route of [{ name: "project", id: "x" }, { name: "plans" }, { name: "dashboard" }] as const) {
      expect(read(write(route))).toEqual(route);
    }
    expect(read("#/nonsense")).toEqual({ name: "dashboard" });
  });

  it("puts folders first, and folds them", () => {
    const paths = ["z.txt", "src/b.js", "src/a10.js", "src/a9.js", "a.txt"];
    expect(rows(paths, new Set()).map((row) => row.path)).toEqual([
      "src",
      "src/a9.js",
      "src/a10.js",
      "src/b.js",
      "a.txt",
      "z.txt",
    ]);
    expect(rows(paths, new Set(["src"])).map((row) => row.path)).toEqual(["src", "a.txt", "z.txt"]);
  });

  it("has a sentence for each source of tokens, and none for others", () => {
    expect(
      ["free:u:2026-11", "invoice:in_1", "upgrade:in_1", "dispute_won:dp", "grant:x", "other", null].map(
        source,
      ),
    ).toEqual(["free", "invoice", "upgrade", "dispute", "grant", null, null]);
  });
});
