/**
 * One open project: its history, what of it is being looked at, and the words that are about to be
 * sent. What is true comes from the studio and is read again whenever it says that it changed.
 */
import { commands } from "../../lib/backend";
import type { Draft } from "../../lib/bindings/Draft";
import type { Estimate } from "../../lib/bindings/Estimate";
import type { FileContent } from "../../lib/bindings/FileContent";
import type { FileEntry } from "../../lib/bindings/FileEntry";
import type { Generation } from "../../lib/bindings/Generation";
import type { PreviewTarget } from "../../lib/bindings/PreviewTarget";
import type { Problem } from "../../lib/bindings/Problem";
import type { ProjectDetail } from "../../lib/bindings/ProjectDetail";
import type { Version } from "../../lib/bindings/Version";
import { speech } from "../../lib/messages/index.svelte";
import { append, type ConsoleLine } from "../../lib/preview";
import { app } from "../../lib/state/app.svelte";
import { drafts } from "../../lib/state/drafts";
import { streams } from "../../lib/state/streams.svelte";
import { toasts } from "../../lib/state/toasts.svelte";
import { isRunning, type Live } from "../../lib/stream";

/** What is on the stage: a version, or what a generation has written (so far). */
export type Looking =
  { at: "version"; number: number } | { at: "generation"; id: string } | { at: "nothing" };
export type Tab = "preview" | "code";

export class Workspace {
  detail = $state.raw<ProjectDetail | null>(null);
  problem = $state.raw<Problem | null>(null);
  tab = $state<Tab>("preview");
  /** Null follows what is newest. */
  pinned = $state.raw<Looking | null>(null);
  files = $state.raw<FileEntry[]>([]);
  path = $state<string | null>(null);
  content = $state.raw<{ path: string; content: FileContent } | null>(null);
  target = $state.raw<PreviewTarget | null>(null);
  targetProblem = $state.raw<Problem | null>(null);
  reloads = $state(0);
  lines = $state.raw<ConsoleLine[]>([]);
  consoleOpen = $state(false);
  versionsOpen = $state(false);

  prompt = $state("");
  role = $state("fullstack");
  /** Null lets the studio choose. */
  contextPaths = $state.raw<string[] | null>(null);
  fromNewest = $state(false);
  estimate = $state.raw<Estimate | null>(null);
  sending = $state(false);
  stopping = $state.raw<ReadonlySet<string>>(new Set());

  readonly versions = $derived(this.detail?.versions ?? []);
  readonly newest = $derived<Version | null>(this.versions[0] ?? null);
  /** Oldest first, as a conversation is read. */
  readonly generations = $derived((this.detail?.generations ?? []).toReversed());
  // Its watcher hears that a queued one has begun before the list is read again.
  readonly running = $derived<Generation | null>(
    this.detail?.generations.find((one) => {
      const known = isRunning(one) ? streams.lives[one.id]?.generation : undefined;
      return (known ?? one).status === "pending";
    }) ?? null,
  );
  readonly looking = $derived.by<Looking>(() => {
    if (this.pinned) return this.pinned;
    if (this.running) return { at: "generation", id: this.running.id };
    return this.newest ? { at: "version", number: this.newest.number } : { at: "nothing" };
  });
  readonly version = $derived(
    this.looking.at === "version" ? this.looking.number : (this.newest?.number ?? null),
  );
  readonly live = $derived<Live | null>(
    this.looking.at === "generation" ? (streams.lives[this.looking.id] ?? null) : null,
  );
  readonly older = $derived(
    this.looking.at === "version" && this.newest !== null && this.looking.number !== this.newest.number,
  );
  readonly baseVersion = $derived(
    this.older && !this.fromNewest && this.looking.at === "version" ? this.looking.number : null,
  );
  readonly draft = $derived.by<Draft>(() => ({
    projectId: this.id,
    role: this.role,
    prompt: this.prompt,
    baseVersion: this.baseVersion,
    maxOutputTokens: null,
    contextPaths: this.contextPaths,
  }));
  readonly errors = $derived(this.lines.filter((line) => line.level === "error").length);

  #asked = 0;
  #filesAsked = 0;
  #contentAsked = 0;
  #targetAsked = 0;
  /** The stage went to the code because a generation began; at its end it goes back. */
  #wentToCode = false;

  constructor(readonly id: string) {
    this.prompt = drafts.read(id);
    this.role = localStorage.getItem("role") ?? "fullstack";
    const kept = localStorage.getItem("versions-open");
    this.versionsOpen = kept ? kept === "yes" : window.innerWidth >= 1400;
  }

  async read(): Promise<void> {
    try {
      const before = this.running?.id;
      this.detail = await commands.projectGet(this.id);
      this.problem = null;
      for (const generation of this.detail.generations) {
        // The others are read when they come into sight.
        if (isRunning(generation) || streams.lives[generation.id]) void streams.show(generation);
      }
      if (this.running && this.running.id !== before) this.#began();
    } catch (reason) {
      this.problem = app.problem(reason);
    }
  }

  #began(): void {
    this.pinned = null;
    this.path = null;
    if (this.tab === "preview") {
      this.tab = "code";
      this.#wentToCode = true;
    }
  }

  /** A generation of this project is over. */
  async ended(generation: Generation): Promise<void> {
    if (generation.projectId !== this.id) return;
    this.stopping = new Set([...this.stopping].filter((id) => id !== generation.id));
    await this.read();
    const partial = streams.lives[generation.id];
    if (generation.version !== null) {
      this.pinned = null;
      if (this.#wentToCode) this.tab = "preview";
    } else if (partial && partial.files.length > 0 && !this.running) {
      // What arrived stays on the stage until somebody looks elsewhere.
      this.pinned = { at: "generation", id: generation.id };
    }
    this.#wentToCode = false;
  }

  look(looking: Looking | null): void {
    this.pinned = looking;
    this.fromNewest = false;
  }

  lookAtVersion(number: number): void {
    this.look(number === this.newest?.number && !this.running ? null : { at: "version", number });
  }

  openFile(path: string, looking?: Looking): void {
    if (looking) this.look(looking);
    this.tab = "code";
    this.path = path;
  }

  async readFiles(number: number | null): Promise<void> {
    const asked = ++this.#filesAsked;
    try {
      const files = number === null ? [] : await commands.versionFiles(this.id, number);
      if (asked === this.#filesAsked) this.files = files;
    } catch (reason) {
      if (asked === this.#filesAsked) app.complain(reason);
    }
  }

  async readContent(number: number, path: string): Promise<void> {
    const asked = ++this.#contentAsked;
    try {
      const content = await commands.versionFile(this.id, number, path);
      if (asked === this.#contentAsked) this.content = { path, content };
    } catch (reason) {
      if (asked === this.#contentAsked) app.complain(reason);
    }
  }

  async readTarget(number: number | null): Promise<void> {
    const asked = ++this.#targetAsked;
    this.lines = [];
    this.targetProblem = null;
    try {
      const target = number === null ? null : await commands.previewTarget(this.id, number);
      if (asked === this.#targetAsked) this.target = target;
    } catch (reason) {
      if (asked === this.#targetAsked) {
        this.target = null;
        this.targetProblem = app.problem(reason);
      }
    }
  }

  reload(): void {
    this.lines = [];
    this.reloads += 1;
  }

  hear(line: ConsoleLine): void {
    this.lines = append(this.lines, line);
  }

  fix(line: ConsoleLine): void {
    const error = line.where ? `${line.text} (${line.where})` : line.text;
    const fix = speech.t.work.fixPrompt(error);
    this.write(this.prompt.trim() ? `${this.prompt.trim()}\n\n${fix}` : fix);
  }

  /** A sample takes the place of what was written, which one press brings back. */
  takeSample(text: string): void {
    const before = this.prompt;
    this.write(text);
    if (!before.trim() || before === text) return;
    toasts.say("neutral", speech.t.work.replaced, {
      label: speech.t.common.undo,
      testid: "toast-undo",
      run: () => this.write(before),
    });
  }

  write(text: string): void {
    this.prompt = text;
    drafts.write(this.id, text);
    document.querySelector<HTMLTextAreaElement>("[data-testid=prompt]")?.focus();
  }

  showVersions(open: boolean): void {
    this.versionsOpen = open;
    localStorage.setItem("versions-open", open ? "yes" : "no");
  }

  async readEstimate(draft: Draft): Promise<void> {
    const asked = ++this.#asked;
    try {
      const estimate = await commands.estimate(draft);
      if (asked === this.#asked) this.estimate = estimate;
    } catch (reason) {
      if (asked !== this.#asked) return;
      const problem = app.problem(reason);
      this.estimate = this.estimate ? { ...this.estimate, problem } : null;
    }
  }

  async send(): Promise<void> {
    if (!this.prompt.trim() || this.sending) return;
    this.sending = true;
    try {
      const generation = await commands.generationStart(this.draft);
      this.prompt = "";
      drafts.write(this.id, "");
      this.contextPaths = null;
      void streams.show(generation);
      await this.read();
    } catch (reason) {
      const problem = app.problem(reason);
      if (this.estimate) this.estimate = { ...this.estimate, problem };
      toasts.say("bad", problem.message);
    } finally {
      this.sending = false;
    }
  }

  async stop(id: string): Promise<void> {
    this.stopping = new Set([...this.stopping, id]);
    try {
      await commands.generationStop(id);
    } catch (reason) {
      this.stopping = new Set([...this.stopping].filter((one) => one !== id));
      app.complain(reason);
    }
  }

  /** Another go: Retry sends the same again, Continue goes on from what arrived. */
  async again(id: string, how: "retry" | "continue"): Promise<void> {
    try {
      const generation =
        how === "retry" ? await commands.generationRetry(id) : await commands.generationContinue(id);
      void streams.show(generation);
      await this.read();
    } catch (reason) {
      app.complain(reason);
    }
  }

  async usePartial(id: string): Promise<void> {
    try {
      await commands.generationUsePartial(id);
      this.look(null);
      this.tab = "preview";
      await this.read();
    } catch (reason) {
      app.complain(reason);
    }
  }

  async restore(number: number): Promise<void> {
    try {
      const version = await commands.versionRestore(this.id, number);
      this.look(null);
      await this.read();
      toasts.say("good", speech.t.work.restored(number, version.number));
    } catch (reason) {
      app.complain(reason);
    }
  }

  /** Whether anything in here still moves. */
  get busy(): boolean {
    return this.detail?.generations.some(isRunning) ?? false;
  }
}
