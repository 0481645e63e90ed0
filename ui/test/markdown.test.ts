import { describe, expect, it } from "vitest";
import { inline, markdown } from "../src/lib/markdown";

describe("the Markdown of a model", () => {
  it("becomes blocks and never HTML", () => {
    const blocks = markdown(
      "# Title\n\nHello <script>alert(1)</script> **bold** `code`\n\n- one\n- two\n  - deep\n1. first",
    );
    expect(blocks.map((block) => block.kind)).toEqual(["heading", "paragraph", "list", "list"]);
    expect(blocks[1]).toMatchObject({
      inlines: [
        { kind: "text", text: "Hello <script>alert(1)</script> " },
        { kind: "strong", text: "bold" },
        { kind: "text", text: " " },
        { kind: "code", text: "code" },
      ],
    });
  });

  it("keeps a code block that has not been closed yet", () => {
    expect(markdown("text\n```js\nlet a = 1;\n")).toMatchObject([
      { kind: "paragraph" },
      { kind: "code", language: "js", text: "let a = 1;\n" },
    ]);
  });

  it("links to the web and to nothing else", () => {
    expect(inline("[a](https://x.test) [b](javascript:alert(1))")).toEqual([
      { kind: "link", text: "a", url: "https://x.test" },
      { kind: "text", text: " [b](javascript:alert(1))" },
    ]);
  });

  it("does not take snake_case and sums for emphasis", () => {
    expect(inline("a snake_case_name and 2 * 3 * 4")).toEqual([
      { kind: "text", text: "a snake_case_name and 2 * 3 * 4" },
    ]);
  });

  it("loses no letter, however the text is cut", () => {
    const text = "Un *texto* con `código`, **fuerza** y _énfasis_.";
    for (let at = 0; at <= text.length; at += 1) {
      const said = inline(text.slice(0, at))
        .map((part) => part.text)
        .join("");
      expect(said.replace(/[*_`]/g, "")).toBe(text.slice(0, at).replace(/[*_`]/g, ""));
    }
  });
});
