//! The page's commands. Each is declared once, in the table below: the macro makes the Tauri
//! command, which calls the studio's method of the same name and turns its error into a
//! [`Problem`]; and [`bindings`] writes the TypeScript function from the same line. The few that
//! are of another form have files of their own.

mod always;
pub mod bindings;
mod watch;

use autocrea_protocol::GenerationId;
use autocrea_studio::Studio;
use autocrea_studio::ipc::{
    AccountState, Boot, CheckoutChoice, Draft, Estimate, FileContent, FileEntry, Generation,
    GenerationDetail, LedgerView, NewProject, PreviewTarget, Problem, Project, ProjectDetail,
    ProjectPatch, Role, SecretPlace, Settings, SettingsPatch, Version,
};
use bindings::Declaration;
use std::sync::Arc;
use tauri::{State, Wry};
use ts_rs::TS;
use uuid::Uuid;

macro_rules! commands {
    ($( #[doc = $doc:literal] fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty; )*) => {
        $(
            #[doc = $doc]
            #[tauri::command]
            async fn $name(
                studio: State<'_, Arc<Studio>>,
                $($argument: $type),*
            ) -> Result<$answer, Problem> {
                let result = studio.$name($($argument),*).await;
                result.map_err(|error| studio.problem(&error))
            }
        )*

        /// Dispatches what the page invokes.
        pub fn handler() -> impl Fn(tauri::ipc::Invoke<Wry>) -> bool + Send + Sync + 'static {
            tauri::generate_handler![
                always::boot,
                always::roles_list,
                watch::generation_watch,
                $($name,)*
            ]
        }

        /// The table, for [`bindings`].
        fn declarations(config: &ts_rs::Config) -> Vec<Declaration> {
            vec![
                Declaration {
                    name: "boot",
                    doc: "Everything for the first paint.",
                    arguments: Vec::new(),
                    answer: Boot::name(config),
                },
                Declaration {
                    name: "roles_list",
                    doc: "The roles, in the person's language.",
                    arguments: Vec::new(),
                    answer: Vec::<Role>::name(config),
                },
                $(Declaration {
                    name: stringify!($name),
                    doc: $doc.trim(),
                    arguments: vec![$((stringify!($argument), <$type as TS>::name(config))),*],
                    answer: <$answer as TS>::name(config),
                }),*
            ]
        }

        /// Writes every type that the commands name, and those that they need.
        fn export_types(config: &ts_rs::Config) -> Result<(), ts_rs::ExportError> {
            bindings::export::<Boot>(config)?;
            bindings::export::<Role>(config)?;
            $(
                $(bindings::export::<$type>(config)?;)*
                bindings::export::<$answer>(config)?;
            )*
            Ok(())
        }
    };
}

commands! {
    /// Changes settings; what is absent stays.
    fn settings_update(patch: SettingsPatch) -> Settings;

    /// The account as it is known now.
    fn account_state() -> AccountState;
    /// Opens the browser to sign in.
    fn sign_in_start() -> AccountState;
    /// Finishes a sign-in with the text that the return page shows.
    fn sign_in_paste(text: String) -> AccountState;
    /// Forgets the sign-in that is under way.
    fn sign_in_cancel() -> AccountState;
    /// Says where the sign-in's secret may be kept when there is no keyring.
    fn secret_place_choose(place: SecretPlace) -> AccountState;
    /// Signs out; projects stay.
    fn sign_out() -> AccountState;
    /// Opens the browser to buy or change a plan.
    fn checkout_start(choice: CheckoutChoice) -> AccountState;
    /// Stops waiting for a checkout.
    fn checkout_forget() -> AccountState;
    /// Opens the billing portal in the browser.
    fn portal_open() -> ();
    /// Asks the relay for the account now.
    fn account_refresh() -> AccountState;
    /// A page of the ledger, newest first.
    fn ledger_page(before: Option<String>, limit: u32) -> LedgerView;

    /// All projects that are not in the trash: favourites first, then the latest change.
    fn projects_list() -> Vec<Project>;
    /// Makes a project.
    fn project_create(project: NewProject) -> Project;
    /// A project with its history.
    fn project_get(id: Uuid) -> ProjectDetail;
    /// Changes a project; what is absent stays.
    fn project_update(id: Uuid, patch: ProjectPatch) -> Project;
    /// Puts a project into the trash.
    fn project_trash(id: Uuid) -> ();
    /// Takes it out again.
    fn project_untrash(id: Uuid) -> ();

    /// What a draft would cost at most, and what goes along.
    fn estimate(draft: Draft) -> Estimate;
    /// Sends a draft.
    fn generation_start(draft: Draft) -> Generation;
    /// A generation with what has been read out of it.
    fn generation_get(id: GenerationId) -> GenerationDetail;
    /// Stops it; what arrived is kept.
    fn generation_stop(id: GenerationId) -> ();
    /// Sends the same again, as a new generation.
    fn generation_retry(id: GenerationId) -> Generation;
    /// Asks the model to go on from where it was cut off.
    fn generation_continue(id: GenerationId) -> Generation;
    /// Makes a version from what arrived.
    fn generation_use_partial(id: GenerationId) -> Version;

    /// The files of a version.
    fn version_files(project_id: Uuid, number: u32) -> Vec<FileEntry>;
    /// What is in one of them.
    fn version_file(project_id: Uuid, number: u32, path: String) -> FileContent;
    /// Goes back to a version, by making a new one.
    fn version_restore(project_id: Uuid, number: u32) -> Version;
    /// How a version can be looked at.
    fn preview_target(project_id: Uuid, number: u32) -> PreviewTarget;

    /// Opens an address of the relay's own links in the browser.
    fn open_external(url: String) -> ();
}
