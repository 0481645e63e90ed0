/**
 * The bridge to the studio: the only module that knows Tauri. The page asks through `commands`,
 * is told of changes through one event, and watches a running generation through a channel.
 */
import { Channel } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import { commands } from "./bindings/commands";
import type { GenerationUpdate } from "./bindings/GenerationUpdate";
import type { Problem } from "./bindings/Problem";
import type { StudioEvent } from "./bindings/StudioEvent";

export { commands };

/** Calls `hear` with everything that the studio says unasked; resolves to a way to stop. */
export function onStudio(hear: (event: StudioEvent) => void): Promise<() => void> {
  return listen<StudioEvent>("studio", (event) => hear(event.payload));
}

/** Watches a generation. Resolves once the studio has accepted the watcher. */
export async function watchGeneration(id: string, hear: (update: GenerationUpdate) => void): Promise<void> {
  const channel = new Channel<GenerationUpdate>();
  channel.onmessage = hear;
  await commands.generationWatch(id, channel);
}

/** What a rejected command says. Anything that is not a problem is a defect, and said so. */
export function asProblem(reason: unknown, unexpected: string): Problem {
  if (typeof reason === "object" && reason !== null && "code" in reason && "message" in reason) {
    return reason as Problem;
  }
  console.error(reason);
  return { code: "internal", message: unexpected };
}
