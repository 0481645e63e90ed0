import type { Page } from "playwright-core";
export const scenes: { name: string; scene: string; hash: string; act?: (page: Page) => Promise<unknown> }[];
