/**
 * What the whole window shows: place, account, settings, projects. It holds copies of what the
 * studio said last and nothing else; every change goes to the studio first and comes back.
 */
import { asProblem, commands, onStudio } from "../backend";
import type { AccountState } from "../bindings/AccountState";
import type { Boot } from "../bindings/Boot";
import type { Language } from "../bindings/Language";
import type { NewProject } from "../bindings/NewProject";
import type { Problem } from "../bindings/Problem";
import type { Project } from "../bindings/Project";
import type { ProjectPatch } from "../bindings/ProjectPatch";
import type { Role } from "../bindings/Role";
import type { Settings } from "../bindings/Settings";
import type { SettingsPatch } from "../bindings/SettingsPatch";
import type { StudioEvent } from "../bindings/StudioEvent";
import * as format from "../format";
import { speech } from "../messages/index.svelte";
import { fromDestination, read, write, type Route } from "./route";
import { toasts } from "./toasts.svelte";

type Listener = (event: StudioEvent) => void;

class App {
  boot = $state.raw<Boot | null>(null);
  /** The studio did not answer at all, or its store cannot be opened. */
  fatal = $state.raw<Problem | null>(null);
  settings = $state.raw<Settings>({ language: null, theme: "system", welcomed: true });
  account = $state.raw<AccountState | null>(null);
  projects = $state.raw<Project[] | null>(null);
  projectsProblem = $state.raw<Problem | null>(null);
  roles = $state.raw<Role[]>([]);
  route = $state.raw<Route>(read(location.hash));
  /** The present, for ages; moves every 15 s. */
  now = $state(Date.now());

  paletteOpen = $state(false);
  signInOpen = $state(false);
  signInProblem = $state.raw<Problem | null>(null);
  secretPlaceOpen = $state(false);
  newProjectOpen = $state(false);
  /** A prompt to begin the next new project with (from a sample). */
  seedPrompt = $state("");
  seedName = $state("");
  railFolded = $state(localStorage.getItem("rail") === "folded");
  /** The first start is being looked at again. */
  welcomeAgain = $state(false);

  #listeners = new Set<Listener>();
  #systemDark = matchMedia("(prefers-color-scheme: dark)");
  systemIsDark = $state(this.#systemDark.matches);

  readonly dark = $derived(
    this.settings.theme === "system" ? this.systemIsDark : this.settings.theme === "dark",
  );
  readonly signedIn = $derived(this.account?.session.kind === "signed_in");
  readonly online = $derived(this.account?.relay === "online");
  readonly offline = $derived(this.account?.relay === "offline");
  readonly figures = $derived(this.account?.snapshot?.tokens ?? null);
  readonly plans = $derived(this.account?.config?.plans ?? []);

  /** What the free plan gives, as the relay says; the published figure until it has been heard. */
  readonly freeTokens = $derived(this.plans.find((plan) => plan.id === "free")?.tokens ?? 20_000);
  width = $state(window.innerWidth);
  /** The workspace needs the width; elsewhere the rail is as it was left. */
  readonly railIsFolded = $derived(this.railFolded || (this.route.name === "project" && this.width < 1280));

  planName(id: string): string {
    return this.plans.find((plan) => plan.id === id)?.name ?? id.charAt(0).toUpperCase() + id.slice(1);
  }

  roleName(id: string): string {
    return this.roles.find((role) => role.id === id)?.name ?? id;
  }

  async start(): Promise<void> {
    window.addEventListener("hashchange", () => (this.route = read(location.hash)));
    this.#systemDark.addEventListener("change", (event) => (this.systemIsDark = event.matches));
    setInterval(() => (this.now = Date.now()), 15_000);
    try {
      // Listening comes first: what changes between the answer and the ear would be missed.
      await onStudio((event) => this.#hear(event));
      const boot = await commands.boot();
      this.settings = boot.settings;
      this.account = boot.account;
      speech.language = boot.language;
      this.signInOpen = boot.account.session.kind === "signing_in";
      this.boot = boot;
      if (boot.storeProblem) {
        this.fatal = boot.storeProblem;
        return;
      }
      if (boot.destination) this.go(fromDestination(boot.destination));
      await Promise.all([this.readProjects(), this.readRoles()]);
    } catch (reason) {
      this.fatal = this.problem(reason);
    }
  }

  problem(reason: unknown): Problem {
    return asProblem(reason, speech.t.errors.unexpected);
  }

  /** Says in passing what went wrong. */
  complain(reason: unknown): void {
    toasts.say("bad", this.problem(reason).message);
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #hear(event: StudioEvent): void {
    switch (event.kind) {
      case "account":
        this.#takeAccount(event.account);
        break;
      case "projects":
      case "project":
        void this.readProjects();
        break;
      case "navigate":
        this.go(fromDestination(event.to));
        break;
      case "notice":
        toasts.say(event.tone, event.message);
        if (event.tone === "bad" && this.signInOpen && this.account?.session.kind !== "signed_in") {
          this.signInProblem = { code: "link_refused", message: event.message };
        }
        break;
      case "ledger":
        break;
    }
    for (const listener of this.#listeners) listener(event);
  }

  #takeAccount(account: AccountState): void {
    const was = this.account?.session.kind;
    this.account = account;
    const is = account.session.kind;
    if (is === "signed_in" && was !== "signed_in") {
      this.signInOpen = false;
      this.signInProblem = null;
      this.secretPlaceOpen = false;
    }
  }

  async readProjects(): Promise<void> {
    try {
      this.projects = await commands.projectsList();
      this.projectsProblem = null;
    } catch (reason) {
      this.projectsProblem = this.problem(reason);
    }
  }

  async readRoles(): Promise<void> {
    this.roles = await commands.rolesList();
  }

  go(route: Route): void {
    const hash = write(route);
    if (location.hash !== hash) location.hash = hash;
    this.route = route;
    this.paletteOpen = false;
  }

  async change(patch: SettingsPatch): Promise<void> {
    try {
      this.settings = await commands.settingsUpdate(patch);
      if (patch.language || patch.followSystemLanguage) {
        speech.language = this.settings.language ?? (await commands.boot()).language;
        await this.readRoles();
      }
    } catch (reason) {
      this.complain(reason);
    }
  }

  setLanguage(language: Language | null): Promise<void> {
    return this.change(language ? { language } : { followSystemLanguage: true });
  }

  foldRail(folded: boolean): void {
    this.railFolded = folded;
    localStorage.setItem("rail", folded ? "folded" : "open");
  }

  /** Runs something that answers with the account's state, and shows it. */
  async withAccount(run: () => Promise<AccountState>): Promise<Problem | null> {
    try {
      this.#takeAccount(await run());
      return null;
    } catch (reason) {
      const problem = this.problem(reason);
      if (problem.code === "secret_place_needed") {
        this.signInOpen = false;
        this.secretPlaceOpen = true;
      }
      return problem;
    }
  }

  async signIn(): Promise<void> {
    // An attempt that is open already is shown again, not begun anew.
    const waiting = this.account?.session.kind === "signing_in" && this.signInProblem === null;
    this.signInProblem = null;
    this.signInOpen = true;
    if (waiting) return;
    const problem = await this.withAccount(() => commands.signInStart());
    if (problem && problem.code !== "secret_place_needed") this.signInProblem = problem;
  }

  async createProject(fresh: NewProject): Promise<Project> {
    const project = await commands.projectCreate(fresh);
    await this.readProjects();
    return project;
  }

  async updateProject(id: string, patch: ProjectPatch): Promise<void> {
    const project = await commands.projectUpdate(id, patch);
    this.projects = this.projects?.map((one) => (one.id === id ? project : one)) ?? null;
  }

  async trash(project: Project): Promise<void> {
    try {
      await commands.projectTrash(project.id);
      this.projects = this.projects?.filter((one) => one.id !== project.id) ?? null;
      if (this.route.name === "project" && this.route.id === project.id) this.go({ name: "dashboard" });
      toasts.say("neutral", speech.t.dashboard.trashed(project.name), {
        label: speech.t.common.undo,
        testid: "toast-undo",
        run: () => void this.untrash(project),
      });
    } catch (reason) {
      this.complain(reason);
    }
  }

  async untrash(project: Project): Promise<void> {
    try {
      await commands.projectUntrash(project.id);
      await this.readProjects();
    } catch (reason) {
      this.complain(reason);
    }
  }

  /** Opens an address in the system's browser. */
  async open(url: string): Promise<void> {
    try {
      await commands.openExternal(url);
    } catch (reason) {
      this.complain(reason);
    }
  }

  async openPortal(): Promise<void> {
    try {
      await commands.portalOpen();
    } catch (reason) {
      this.complain(reason);
    }
  }

  // Short forms of the formatters, in the language in force.
  tokens = (n: number) => format.tokens(n, speech.locale);
  compact = (n: number) => format.compact(n, speech.locale);
  bytes = (n: number) => format.bytes(n, speech.locale);
  age = (at: number) => format.relative(at, Math.max(this.now, at), speech.locale, speech.t.time);
  until = (at: number) => format.relative(at, this.now, speech.locale, speech.t.time);
  date = (at: number) => format.date(at, this.now, speech.locale);
  moment = (at: number) => format.moment(at, speech.locale);
}

export const app = new App();
