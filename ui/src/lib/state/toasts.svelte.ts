import type { Tone } from "../bindings/Tone";

export interface Toast {
  id: number;
  tone: Tone;
  message: string;
  action?: { label: string; testid: string; run: () => void };
}

/** Notices in passing. Those that can be undone, or went wrong, stay longer. */
class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(tone: Tone, message: string, action?: Toast["action"]): number {
    const id = this.#next++;
    this.list = [...this.list.slice(-3), { id, tone, message, ...(action ? { action } : {}) }];
    this.#wait(id);
    return id;
  }

  dismiss(id: number): void {
    this.hold(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Keeps a notice while somebody points at it or is in it. */
  hold(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  release(id: number): void {
    this.hold(id);
    this.#wait(id);
  }

  #wait(id: number): void {
    const toast = this.list.find((one) => one.id === id);
    if (!toast) return;
    const life = toast.action || toast.tone === "bad" ? 10_000 : 5_000;
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), life),
    );
  }
}

export const toasts = new Toasts();
