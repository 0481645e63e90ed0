// This file was generated from src-tauri/src/commands/mod.rs. Do not edit it.
import { Channel, invoke } from "@tauri-apps/api/core";
import type { AccountState } from "./AccountState";
import type { Boot } from "./Boot";
import type { CheckoutChoice } from "./CheckoutChoice";
import type { Draft } from "./Draft";
import type { Estimate } from "./Estimate";
import type { FileContent } from "./FileContent";
import type { FileEntry } from "./FileEntry";
import type { Generation } from "./Generation";
import type { GenerationDetail } from "./GenerationDetail";
import type { GenerationId } from "./GenerationId";
import type { GenerationUpdate } from "./GenerationUpdate";
import type { LedgerView } from "./LedgerView";
import type { NewProject } from "./NewProject";
import type { PreviewTarget } from "./PreviewTarget";
import type { Project } from "./Project";
import type { ProjectDetail } from "./ProjectDetail";
import type { ProjectPatch } from "./ProjectPatch";
import type { Role } from "./Role";
import type { SecretPlace } from "./SecretPlace";
import type { Settings } from "./Settings";
import type { SettingsPatch } from "./SettingsPatch";
import type { Version } from "./Version";

/** The studio's commands. Each rejects with a `Problem`. */
export const commands = {
  /** Everything for the first paint. */
  boot: (): Promise<Boot> => invoke("boot"),
  /** The roles, in the person's language. */
  rolesList: (): Promise<Array<Role>> => invoke("roles_list"),
  /** Changes settings; what is absent stays. */
  settingsUpdate: (patch: SettingsPatch): Promise<Settings> => invoke("settings_update", { patch }),
  /** The account as it is known now. */
  accountState: (): Promise<AccountState> => invoke("account_state"),
  /** Opens the browser to sign in. */
  signInStart: (): Promise<AccountState> => invoke("sign_in_start"),
  /** Finishes a sign-in with the text that the return page shows. */
  signInPaste: (text: string): Promise<AccountState> => invoke("sign_in_paste", { text }),
  /** Forgets the sign-in that is under way. */
  signInCancel: (): Promise<AccountState> => invoke("sign_in_cancel"),
  /** Says where the sign-in's secret may be kept when there is no keyring. */
  secretPlaceChoose: (place: SecretPlace): Promise<AccountState> => invoke("secret_place_choose", { place }),
  /** Signs out; projects stay. */
  signOut: (): Promise<AccountState> => invoke("sign_out"),
  /** Opens the browser to buy or change a plan. */
  checkoutStart: (choice: CheckoutChoice): Promise<AccountState> => invoke("checkout_start", { choice }),
  /** Stops waiting for a checkout. */
  checkoutForget: (): Promise<AccountState> => invoke("checkout_forget"),
  /** Opens the billing portal in the browser. */
  portalOpen: (): Promise<null> => invoke("portal_open"),
  /** Asks the relay for the account now. */
  accountRefresh: (): Promise<AccountState> => invoke("account_refresh"),
  /** A page of the ledger, newest first. */
  ledgerPage: (before: string | null, limit: number): Promise<LedgerView> => invoke("ledger_page", { before, limit }),
  /** All projects that are not in the trash: favourites first, then the latest change. */
  projectsList: (): Promise<Array<Project>> => invoke("projects_list"),
  /** Makes a project. */
  projectCreate: (project: NewProject): Promise<Project> => invoke("project_create", { project }),
  /** A project with its history. */
  projectGet: (id: string): Promise<ProjectDetail> => invoke("project_get", { id }),
  /** Changes a project; what is absent stays. */
  projectUpdate: (id: string, patch: ProjectPatch): Promise<Project> => invoke("project_update", { id, patch }),
  /** Puts a project into the trash. */
  projectTrash: (id: string): Promise<null> => invoke("project_trash", { id }),
  /** Takes it out again. */
  projectUntrash: (id: string): Promise<null> => invoke("project_untrash", { id }),
  /** What a draft would cost at most, and what goes along. */
  estimate: (draft: Draft): Promise<Estimate> => invoke("estimate", { draft }),
  /** Sends a draft. */
  generationStart: (draft: Draft): Promise<Generation> => invoke("generation_start", { draft }),
  /** A generation with what has been read out of it. */
  generationGet: (id: GenerationId): Promise<GenerationDetail> => invoke("generation_get", { id }),
  /** Stops it; what arrived is kept. */
  generationStop: (id: GenerationId): Promise<null> => invoke("generation_stop", { id }),
  /** Sends the same again, as a new generation. */
  generationRetry: (id: GenerationId): Promise<Generation> => invoke("generation_retry", { id }),
  /** Asks the model to go on from where it was cut off. */
  generationContinue: (id: GenerationId): Promise<Generation> => invoke("generation_continue", { id }),
  /** Makes a version from what arrived. */
  generationUsePartial: (id: GenerationId): Promise<Version> => invoke("generation_use_partial", { id }),
  /** The files of a version. */
  versionFiles: (projectId: string, number: number): Promise<Array<FileEntry>> => invoke("version_files", { projectId, number }),
  /** What is in one of them. */
  versionFile: (projectId: string, number: number, path: string): Promise<FileContent> => invoke("version_file", { projectId, number, path }),
  /** Goes back to a version, by making a new one. */
  versionRestore: (projectId: string, number: number): Promise<Version> => invoke("version_restore", { projectId, number }),
  /** How a version can be looked at. */
  previewTarget: (projectId: string, number: number): Promise<PreviewTarget> => invoke("preview_target", { projectId, number }),
  /** Opens an address of the relay's own links in the browser. */
  openExternal: (url: string): Promise<null> => invoke("open_external", { url }),
  /** Follows a generation until it ends or the page is gone. */
  generationWatch: (id: string, updates: Channel<GenerationUpdate>): Promise<null> =>
    invoke("generation_watch", { id, updates }),
};
