/**
 * The generations that the page knows in full, running or ended. They outlive the screen that asked
 * for them: going to Plans and back loses nothing, and nothing is watched twice.
 */
import { commands, watchGeneration } from "../backend";
import type { Generation } from "../bindings/Generation";
import type { GenerationUpdate } from "../bindings/GenerationUpdate";
import { fold, fromDetail, isRunning, type Live } from "../stream";

class Streams {
  lives = $state.raw<Record<string, Live>>({});
  /** Which watcher counts: a lost message starts another, and the old one is no longer heard. */
  #watchers = new Map<string, symbol>();
  #reading = new Set<string>();
  onended: (generation: Generation) => void = () => undefined;

  /** Shows a generation: watches it while it runs, reads it once if it has ended. */
  async show(generation: Generation): Promise<void> {
    const known = this.lives[generation.id];
    if (isRunning(generation)) {
      if (!this.#watchers.has(generation.id)) await this.#watch(generation.id);
      else if (known) this.#put(generation.id, { ...known, generation });
    } else if (!known || isRunning(known.generation)) {
      await this.#read(generation.id);
    } else {
      this.#put(generation.id, { ...known, generation });
    }
  }

  #put(id: string, live: Live): void {
    this.lives = { ...this.lives, [id]: live };
  }

  async #watch(id: string): Promise<void> {
    const watcher = Symbol(id);
    this.#watchers.set(id, watcher);
    try {
      await watchGeneration(id, (update) => {
        if (this.#watchers.get(id) === watcher) this.#hear(id, update);
      });
    } catch {
      // It ended between the list and the watcher: what it said is in the store.
      this.#watchers.delete(id);
      await this.#read(id);
    }
  }

  #hear(id: string, update: GenerationUpdate): void {
    const live = fold(this.lives[id] ?? null, update);
    if (!live) return;
    this.#put(id, live);
    if (live.ended) {
      this.#watchers.delete(id);
      void this.#read(id).then(() => this.onended(live.generation));
    } else if (live.reread) {
      void this.#watch(id);
    }
  }

  async #read(id: string): Promise<void> {
    if (this.#reading.has(id)) return;
    this.#reading.add(id);
    try {
      this.#put(id, fromDetail(await commands.generationGet(id)));
    } catch {
      // What has been seen of it stays on the screen.
    } finally {
      this.#reading.delete(id);
    }
  }
}

export const streams = new Streams();
