import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath } from "../dev/chromium.mjs";
import { scenes } from "../dev/scenes.mjs";
import { served } from "../dev/served.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MENU = "#/project/0198f3a1-0000-7000-8000-000000000001";
let browser: Browser;
let base: string;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ base, close } = await served("screens"));
  browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await close?.();
});

async function open(
  query: string,
  hash: string,
): Promise<{ page: Page; faults: string[]; close: () => Promise<void> }> {
  const context = await browser.newContext({
    viewport: { width: 1100, height: 720 },
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(`${base}?${query}${hash}`);
  await page.locator("[data-testid=frame],[data-testid=welcome],[data-testid=fatal]").first().waitFor();
  return { page, faults, close: () => context.close() };
}

describe("every screen", () => {
  for (const { name, scene, hash, act } of scenes) {
    it(`${name}: no violation that axe can find, dark and light`, async () => {
      const { page, close } = await open(`scene=${scene}&lang=es&theme=dark&pace=0`, hash);
      await act?.(page);
      await page.waitForTimeout(200);
      await page.evaluate(axe);
      // Colours are judged as they come to rest.
      await page.addStyleTag({
        content: "*, *::before, *::after { transition: none !important; animation: none !important }",
      });
      for (const theme of ["dark", "light"]) {
        await page.evaluate((value) => (document.documentElement.dataset.theme = value), theme);
        const found = await page.evaluate(async () => {
          // The previewed page is the creator's, not ours.
          const results = await (window as never as { axe: typeof import("axe-core") }).axe.run(
            { exclude: [["iframe"]] },
            {
              runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
              iframes: false,
            },
          );
          return results.violations.map(
            (one) =>
              `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`,
          );
        });
        expect(found, theme).toEqual([]);
      }
      await close();
    });
  }
});

describe("the main job, over the played studio", () => {
  it("goes from words to a version, and back to an older one", async () => {
    const { page, faults, close } = await open("scene=fresh&lang=en&pace=4", MENU);
    await page.getByTestId("sample-menu").click();
    await page.getByTestId("ceiling").waitFor();
    await page.getByTestId("prompt").press("Control+Enter");
    await page.locator("[data-testid=generation][data-status=pending]").waitFor();
    await page.locator("[data-testid=file][data-mark=growing]").waitFor();
    await page.locator("[data-testid=generation][data-status=completed]").waitFor();
    await page.frameLocator("[data-testid=preview-frame]").getByText("O Peirao").first().waitFor();
    await page.getByTestId("prompt").fill("Another colour");
    await page.getByTestId("send").click();
    await page.locator("[data-testid=generation][data-status=completed]").nth(1).waitFor();
    await page.getByTestId("versions-toggle").click();
    await page.getByTestId("version-1").click();
    await page.getByTestId("restore-shown").click();
    await page.locator("[data-testid=version][data-number='3'][data-cause=restore]").waitFor();
    expect(faults).toEqual([]);
    await close();
  });

  it("stops when told to, and keeps what arrived on the stage", async () => {
    const { page, close } = await open("scene=signedin&lang=es&pace=15", MENU);
    await page.getByTestId("prompt").fill("Fotos");
    await page.getByTestId("ceiling").waitFor();
    await page.getByTestId("send").click();
    await page.locator("[data-testid=file][data-mark=growing]").waitFor();
    await page.getByTestId("stop").click();
    const stopped = page.locator("[data-testid=generation][data-status=cancelled]");
    await stopped.waitFor();
    expect(await stopped.getByTestId("generation-file").count()).toBeGreaterThan(0);
    await stopped.getByTestId("use-partial").click();
    await page.locator("[data-testid=preview-frame]").waitFor();
    await close();
  });

  it("finds a running generation again after a reload", async () => {
    const { page, close } = await open("scene=streaming&lang=es&pace=0", MENU);
    await page.locator("[data-testid=file][data-path='app.js'][data-mark=growing]").waitFor();
    await page.reload();
    await page.locator("[data-testid=file][data-path='app.js'][data-mark=growing]").waitFor();
    await close();
  });

  it("brings an error of the preview into the composer", async () => {
    const { page, close } = await open("scene=broken&lang=en&pace=0", MENU);
    await page.locator("[data-testid=console-toggle][data-errors='1']").click();
    await page.getByTestId("fix-error").click();
    await expect
      .poll(() => page.getByTestId("prompt").inputValue(), { timeout: 15_000 })
      .toContain("addEventListener");
    await close();
  });

  it("undoes what went to the trash", async () => {
    const { page, close } = await open("scene=signedin&lang=es&pace=0", "#/dashboard");
    const before = await page.getByTestId("project-card").count();
    await page.getByTestId("project-menu").first().click();
    await page.getByTestId("project-menu-trash").click();
    await expect.poll(() => page.getByTestId("project-card").count(), { timeout: 15_000 }).toBe(before - 1);
    await page.getByTestId("toast-undo").click();
    await expect.poll(() => page.getByTestId("project-card").count(), { timeout: 15_000 }).toBe(before);
    await close();
  });

  it("does everything of a new project by keyboard", async () => {
    const { page, close } = await open("scene=signedin&lang=en&pace=0", "#/dashboard");
    await page.keyboard.press("Control+k");
    await page.locator("[data-testid=palette-input]:focus").waitFor();
    await page.keyboard.type("new proj");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=project-name]:focus").waitFor();
    await page.keyboard.type("By keyboard");
    await page.keyboard.press("Enter");
    await page.locator("[data-testid=project-title]", { hasText: "By keyboard" }).waitFor();
    await close();
  });
});
