import { fileURLToPath } from "node:url";
import { build, preview } from "vite";

/**
 * The page over the fixture, built once and served: a few files a visit instead of hundreds.
 * Resolves to its address and a way to end it.
 */
export async function served(name) {
  const outDir = fileURLToPath(new URL(`../node_modules/.${name}/`, import.meta.url));
  const configFile = fileURLToPath(new URL("./vite.config.ts", import.meta.url));
  await build({
    configFile,
    logLevel: "error",
    base: "./",
    build: { outDir, emptyOutDir: true, target: "es2022" },
  });
  const server = await preview({
    configFile,
    logLevel: "error",
    build: { outDir },
    preview: { port: 0, host: "127.0.0.1" },
  });
  return { base: server.resolvedUrls.local[0], close: () => server.close() };
}
