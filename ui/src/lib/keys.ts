/** Keyboard shortcuts as this platform writes them. */
export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** Whether the platform's command key is down. */
export function mod(event: KeyboardEvent): boolean {
  return isMac ? event.metaKey : event.ctrlKey;
}

/** "mod+k" → ["⌘", "K"] or ["Ctrl", "K"]. */
export function keys(shortcut: string): string[] {
  const names: Record<string, string> = {
    mod: isMac ? "⌘" : "Ctrl",
    shift: isMac ? "⇧" : "Shift",
    alt: isMac ? "⌥" : "Alt",
    enter: "↵",
    esc: "Esc",
  };
  return shortcut.split("+").map((key) => names[key] ?? key.toUpperCase());
}

export const SHORTCUTS = {
  palette: "mod+k",
  newProject: "mod+n",
  rail: "mod+b",
  send: "mod+enter",
  focusPrompt: "mod+l",
  previewCode: "mod+e",
  versions: "mod+j",
  console: "mod+'",
  stop: "mod+.",
} as const;
