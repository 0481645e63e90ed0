/**
 * The little Markdown that models write, read into blocks. There is no way to HTML from here: the
 * component makes elements of these values, so that whatever a model says is text. Pure, and
 * tolerant of a text that is still being written (an open fence runs to the end).
 */
export type Inline =
  { kind: "text" | "code" | "strong" | "em"; text: string } | { kind: "link"; text: string; url: string };

export type Block =
  | { kind: "paragraph"; inlines: Inline[] }
  | { kind: "heading"; level: number; inlines: Inline[] }
  | { kind: "list"; ordered: boolean; start: number; items: { depth: number; inlines: Inline[] }[] }
  | { kind: "quote"; inlines: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "rule" };

// Read from the left: code first, since nothing inside it means anything else. (No look-behind: the
// oldest webviews that the app runs in do not know it.)
const INLINE =
  /(`+)([^`]|[^`].*?[^`])\1(?!`)|\*\*(\S|\S.*?\S)\*\*|\*([^\s*]|[^\s*].*?[^\s*])\*(?![*\w])|_([^\s_]|[^\s_].*?[^\s_])_(?![_\w])|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

export function inline(text: string): Inline[] {
  const found: Inline[] = [];
  let from = 0;
  const pattern = new RegExp(INLINE);
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [whole, , code, strong, star, under, label, url] = match;
    const emphasis = star ?? under;
    // In the middle of a word a star or an underscore is itself.
    if (emphasis !== undefined && /[\w*]/.test(text.charAt(match.index - 1))) {
      pattern.lastIndex = match.index + 1;
      continue;
    }
    if (match.index > from) found.push({ kind: "text", text: text.slice(from, match.index) });
    if (code !== undefined) found.push({ kind: "code", text: code.trim() || code });
    else if (strong !== undefined) found.push({ kind: "strong", text: strong });
    else if (emphasis !== undefined) found.push({ kind: "em", text: emphasis });
    else if (label !== undefined && url !== undefined) found.push({ kind: "link", text: label, url });
    from = match.index + whole.length;
  }
  if (from < text.length) found.push({ kind: "text", text: text.slice(from) });
  return found;
}

const FENCE = /^\s*(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)(?:([-*+])|(\d{1,4})[.)])\s+(.*)$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;

export function markdown(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length) blocks.push({ kind: "paragraph", inlines: inline(paragraph.join(" ")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line);
    if (fence) {
      flush();
      const [, mark = "```", language = ""] = fence;
      const code: string[] = [];
      at += 1;
      while (at < lines.length && !(lines[at] ?? "").trimStart().startsWith(mark)) {
        code.push(lines[at] ?? "");
        at += 1;
      }
      blocks.push({ kind: "code", language, text: code.join("\n") });
      continue;
    }
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    if (!line.trim()) flush();
    else if (heading) {
      flush();
      blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, inlines: inline(heading[2] ?? "") });
    } else if (RULE.test(line)) {
      flush();
      blocks.push({ kind: "rule" });
    } else if (item) {
      flush();
      const ordered = item[3] !== undefined;
      const entry = {
        depth: Math.min(3, Math.floor((item[1]?.length ?? 0) / 2)),
        inlines: inline(item[4] ?? ""),
      };
      const last = blocks.at(-1);
      const continues = last?.kind === "list" && (last.ordered === ordered || entry.depth > 0);
      if (continues) last.items.push(entry);
      else blocks.push({ kind: "list", ordered, start: Number(item[3] ?? 1), items: [entry] });
    } else if (line.startsWith(">")) {
      flush();
      const said = inline(line.replace(/^>\s?/, ""));
      const last = blocks.at(-1);
      if (last?.kind === "quote") last.inlines.push({ kind: "text", text: " " }, ...said);
      else blocks.push({ kind: "quote", inlines: said });
    } else paragraph.push(line.trim());
  }
  flush();
  return blocks;
}
