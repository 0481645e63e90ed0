/**
 * Pictures of every screen over the fixture: `node dev/screenshots.mjs [name …]`, with
 * LANGS=es,en THEMES=dark,light SIZES=1100x720,1440x900 to look at fewer.
 */
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { chromiumPath } from "./chromium.mjs";
import { scenes } from "./scenes.mjs";
import { served } from "./served.mjs";

const list = (name, all) => (process.env[name] ?? all).split(",");
const wanted = process.argv.slice(2);
const out = fileURLToPath(new URL("../shots/", import.meta.url));
await mkdir(out, { recursive: true });

const { base, close } = await served("shots");
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
for (const size of list("SIZES", "1100x720,1440x900")) {
  const [width, height] = size.split("x").map(Number);
  for (const theme of list("THEMES", "dark,light")) {
    for (const lang of list("LANGS", "es,en")) {
      for (const { name, scene, hash, act } of scenes) {
        if (wanted.length && !wanted.includes(name)) continue;
        const context = await browser.newContext({ viewport: { width, height } });
        const page = await context.newPage();
        page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
        await page.goto(`${base}?scene=${scene}&lang=${lang}&theme=${theme}&pace=0${hash}`);
        try {
          await page
            .locator("[data-testid=frame],[data-testid=welcome],[data-testid=fatal]")
            .first()
            .waitFor({ timeout: 15_000 });
          await act?.(page);
        } catch (error) {
          console.error(`${name}: ${error.message.split("\n")[0]}`);
        }
        await page.waitForTimeout(350);
        await page.screenshot({ path: `${out}${name}.${lang}.${theme}.${size}.png` });
        await context.close();
      }
    }
  }
}
await browser.close();
await close();
