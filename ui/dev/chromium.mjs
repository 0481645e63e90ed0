import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A Chromium of this machine: `CHROMIUM`, or the first known name on the path. */
export function chromiumPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      if (existsSync(path)) return path;
    }
  }
  throw new Error("No Chromium on the path: install one, or set CHROMIUM to its program.");
}
