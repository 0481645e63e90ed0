/**
 * What a previewed page says to the console. Anything can be posted from in there, so it is read
 * with suspicion: only our own envelope, only text, bounded. Pure.
 */
export type Level = "log" | "info" | "warn" | "error";

export interface ConsoleLine {
  level: Level;
  text: string;
  where: string;
  /** How many times in a row. */
  count: number;
}

const LEVELS: readonly string[] = ["log", "info", "warn", "error"];
const MOST_TEXT = 4_000;
const MOST_LINES = 300;

export function readMessage(data: unknown): ConsoleLine | null {
  if (typeof data !== "object" || data === null) return null;
  const { source, level, text, file, line, column } = data as Record<string, unknown>;
  if (source !== "autocrea-preview" || typeof text !== "string") return null;
  const known = typeof level === "string" && LEVELS.includes(level) ? (level as Level) : "log";
  // A frame's own address says nothing to a person; the file in it does.
  const name =
    typeof file === "string" ? file.replace(/^[a-z+.-]+:\/\/[^/]*\//i, "").replace(/[?#].*$/, "") : file;
  const place = [name, line, column].filter(
    (part) => (typeof part === "string" && part !== "") || (typeof part === "number" && part > 0),
  );
  return { level: known, text: text.slice(0, MOST_TEXT), where: place.join(":").slice(0, 300), count: 1 };
}

/** Repeated lines are counted, old ones go. */
export function append(lines: ConsoleLine[], line: ConsoleLine): ConsoleLine[] {
  const last = lines.at(-1);
  if (last && last.level === line.level && last.text === line.text && last.where === line.where) {
    return [...lines.slice(0, -1), { ...last, count: last.count + 1 }];
  }
  return [...lines.slice(-(MOST_LINES - 1)), line];
}
