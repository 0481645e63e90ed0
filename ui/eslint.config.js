import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["dist/", "shots/", "node_modules/", "src/lib/bindings/", "dev/public/"] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
    rules: {
      // Places in the app are hashes and reach no router.
      "svelte/no-navigation-without-resolve": "off",
      // Collections that are never shown need no reactivity.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  {
    // The bridge is behind one module.
    files: ["src/**/*"],
    ignores: ["src/lib/backend.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["@tauri-apps/*"], message: "Only lib/backend.ts talks to Tauri." }] },
      ],
    },
  },
);
