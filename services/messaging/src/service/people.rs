//! Who there is. Known from auth's events, and asked of auth itself for those whose event is still on its way.

use futures_util::{StreamExt, TryStreamExt, stream};
use http::Method;
use tertulia_contracts::{UserId, auth::User, routes::role};
use tertulia_mesh::{Mesh, MeshError};
use tertulia_runtime::{FieldError, Kind};

use super::keeper::revise;
use crate::{
    Error,
    store::{PersonRecord, Store},
};

/// How many questions to auth may be open at once for one request.
const AT_ONCE: usize = 8;

/// Remembers somebody, and what they are called. Again is the same. Whose account was erased is not remembered: what tells of
/// them may come late.
pub(crate) async fn remember(store: &Store, id: UserId, handle: &str) -> Result<(), Error> {
    if store.is_erased(id).await? {
        return Ok(());
    }
    let person = PersonRecord { id, handle: Some(handle.to_owned()) };
    revise(&store.people, &id.to_string(), |known: Option<PersonRecord>| {
        Ok((known.as_ref() != Some(&person)).then(|| person.clone()))
    })
    .await
}

/// Knows people. Cheap to clone.
#[derive(Clone)]
pub(crate) struct People {
    store: Store,
    pub(super) mesh: Mesh,
}

impl People {
    /// People known in this store, the rest found over the mesh.
    pub(crate) fn new(store: Store, mesh: Mesh) -> Self {
        Self { store, mesh }
    }

    /// Fails, naming each field, if any of these is nobody. Each user comes with the field that named them.
    pub(crate) async fn must_exist(&self, users: &[(UserId, String)]) -> Result<(), Error> {
        let ids: Vec<UserId> = users.iter().map(|(user, _)| *user).collect();
        let unknown = self.store.unknown_people(&ids).await?;
        let asked = unknown.into_iter().map(|user| self.nobody(user));
        let nobody: Vec<Option<UserId>> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        let nobody: Vec<UserId> = nobody.into_iter().flatten().collect();
        if nobody.is_empty() {
            return Ok(());
        }
        let wrong = users.iter().filter(|(user, _)| nobody.contains(user));
        let message = || "there is no such user".to_owned();
        Err(Error::InvalidFields(
            wrong.map(|(_, field)| FieldError { field: field.clone(), message: message() }).collect(),
        ))
    }

    /// Gives the user back if auth does not know them either.
    async fn nobody(&self, user: UserId) -> Result<Option<UserId>, Error> {
        let path = format!("/internal/users/{user}");
        match self.mesh.call_json::<(), User>(role::AUTH, Method::GET, &path, None, None).await {
            Ok(found) => {
                remember(&self.store, found.id, &found.handle).await?;
                Ok(None)
            }
            Err(MeshError::Refused { kind: Kind::NotFound, .. }) => Ok(Some(user)),
            Err(error) => Err(Error::Upstream(error.to_string())),
        }
    }
}
