//! Projects: made, found, renamed, pinned, put in the trash and taken out.

use crate::Studio;
use crate::clock;
use crate::error::{Error, Thing};
use crate::ipc::{NewProject, Project, ProjectDetail, ProjectPatch, StudioEvent};
use crate::messages::WorkMessage;
use crate::store;
use uuid::Uuid;

/// Characters of a name.
const NAME_LIMIT: usize = 120;
/// Characters of a description.
const DESCRIPTION_LIMIT: usize = 2_000;

/// A name as it is kept: one line, without control characters, trimmed.
fn name(text: &str) -> Result<String, Error> {
    let name: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::Invalid(WorkMessage::NameEmpty));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(Error::Invalid(WorkMessage::NameTooLong { limit: NAME_LIMIT }));
    }
    Ok(name.to_owned())
}

/// A description as it is kept: several lines, without other control characters, trimmed.
fn description(text: &str) -> Result<String, Error> {
    let text: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let text = text.trim();
    if text.chars().count() > DESCRIPTION_LIMIT {
        return Err(Error::Invalid(WorkMessage::DescriptionTooLong { limit: DESCRIPTION_LIMIT }));
    }
    Ok(text.to_owned())
}

impl Studio {
    /// Favourites first, then by newest change; without the trash.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn projects_list(&self) -> Result<Vec<Project>, Error> {
        Ok(self.store()?.read(store::projects::list).await?)
    }

    /// Makes a project.
    ///
    /// # Errors
    /// If its name or description cannot be accepted, or it cannot be stored.
    pub async fn project_create(&self, new: NewProject) -> Result<Project, Error> {
        let (name, description) = (name(&new.name)?, description(&new.description)?);
        let id = Uuid::now_v7();
        let made = self
            .store()?
            .write(move |db| {
                store::projects::insert(db, id, &name, &description, clock::now())?;
                store::projects::get(db, id)
            })
            .await?;
        self.announce(StudioEvent::Projects);
        made.ok_or(Error::NotFound(Thing::Project))
    }

    /// A project with its versions and generations, also from the trash.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn project_get(&self, id: Uuid) -> Result<ProjectDetail, Error> {
        let language = self.language();
        let detail = self
            .store()?
            .read(move |db| {
                let Some(project) = store::projects::get(db, id)? else { return Ok(None) };
                let versions = store::versions::list(db, id)?;
                let generations = store::generations::list(db, id, language)?;
                Ok(Some(ProjectDetail { project, versions, generations }))
            })
            .await?;
        let mut detail = detail.ok_or(Error::NotFound(Thing::Project))?;
        self.add_what_goes_on(&mut detail.generations);
        Ok(detail)
    }

    /// Changes what is given and keeps the rest.
    ///
    /// # Errors
    /// If it is not there, what is given cannot be accepted, or it cannot be stored.
    pub async fn project_update(&self, id: Uuid, patch: ProjectPatch) -> Result<Project, Error> {
        let new_name = patch.name.as_deref().map(name).transpose()?;
        let new_description = patch.description.as_deref().map(description).transpose()?;
        let project = self
            .store()?
            .write(move |db| {
                let (name, description) = (new_name.as_deref(), new_description.as_deref());
                let now = clock::now();
                store::projects::update(db, id, name, description, patch.favourite, now)?;
                store::projects::get(db, id)
            })
            .await?
            .ok_or(Error::NotFound(Thing::Project))?;
        self.announce(StudioEvent::Project { id });
        self.announce(StudioEvent::Projects);
        Ok(project)
    }

    /// Puts a project in the trash, whole; nothing of it is deleted.
    ///
    /// # Errors
    /// If it is not there, or it cannot be stored.
    pub async fn project_trash(&self, id: Uuid) -> Result<(), Error> {
        self.set_trashed(id, true).await
    }

    /// Takes a project out of the trash.
    ///
    /// # Errors
    /// If it is not there, or it cannot be stored.
    pub async fn project_untrash(&self, id: Uuid) -> Result<(), Error> {
        self.set_trashed(id, false).await
    }

    async fn set_trashed(&self, id: Uuid, trashed: bool) -> Result<(), Error> {
        let at = trashed.then(clock::now);
        let found = self.store()?.write(move |db| store::projects::set_trashed(db, id, at)).await?;
        if !found {
            return Err(Error::NotFound(Thing::Project));
        }
        self.announce(StudioEvent::Projects);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
