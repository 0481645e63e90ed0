import { speech } from "./messages/index.svelte";
import { toasts } from "./state/toasts.svelte";

/** Puts text on the clipboard; webviews without the asynchronous clipboard get the old way. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toasts.say("good", speech.t.common.copied);
}
