import type { Attachment } from "svelte/attachments";

/** The one tooltip of the window: what it says and where. Shown by Tip.svelte. */
export const tipState = $state<{
  text: string;
  keys: string[];
  x: number;
  y: number;
  below: boolean;
  on: boolean;
}>({
  text: "",
  keys: [],
  x: 0,
  y: 0,
  below: true,
  on: false,
});

let timer: ReturnType<typeof setTimeout> | undefined;

/** Names what is under the pointer or the focus. It adds nothing that the control's label lacks. */
export function tip(text: string, keys: string[] = []): Attachment<HTMLElement> {
  return (node) => {
    const show = () => {
      const box = node.getBoundingClientRect();
      const below = box.bottom < window.innerHeight - 60;
      Object.assign(tipState, {
        text,
        keys,
        x: Math.min(Math.max(box.left + box.width / 2, 12), window.innerWidth - 12),
        y: below ? box.bottom + 6 : box.top - 6,
        below,
        on: true,
      });
    };
    const enter = () => {
      clearTimeout(timer);
      timer = setTimeout(show, 450);
    };
    const focus = () => {
      if (node.matches(":focus-visible")) enter();
    };
    const leave = () => {
      clearTimeout(timer);
      tipState.on = false;
    };
    node.addEventListener("pointerenter", enter);
    node.addEventListener("pointerleave", leave);
    node.addEventListener("pointerdown", leave);
    node.addEventListener("focus", focus);
    node.addEventListener("blur", leave);
    return () => {
      leave();
      node.removeEventListener("pointerenter", enter);
      node.removeEventListener("pointerleave", leave);
      node.removeEventListener("pointerdown", leave);
      node.removeEventListener("focus", focus);
      node.removeEventListener("blur", leave);
    };
  };
}
