//! Who there is: what messaging remembers of auth's users.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tertulia_contracts::UserId;
use tertulia_documents::{Collection, Error, Index, Key, Record};

use super::Store;

/// How many handles are looked up at once.
const AT_ONCE: usize = 8;

/// Somebody who has an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonRecord {
    /// Who.
    pub id: UserId,
    /// Their unique name; none for those who were remembered before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// People by their handles. Not unique, though handles are: which of two people has it is for auth to say.
const HANDLE: Index = Index::ordered("handle");

impl Record for PersonRecord {
    const COLLECTION: Collection = Collection { name: "people", indexes: &[HANDLE] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        self.handle.iter().map(|handle| (HANDLE, Key::new().text(handle))).collect()
    }
}

impl Store {
    /// Those of these users who are not remembered here.
    pub(crate) async fn unknown_people(&self, ids: &[UserId]) -> Result<Vec<UserId>, Error> {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let known: Vec<UserId> =
            self.people.get_many(&texts).await?.into_iter().map(|found| found.value.id).collect();
        Ok(ids.iter().copied().filter(|id| !known.contains(id)).collect())
    }

    /// What those of these users are called of whom that is known.
    pub(crate) async fn handles_of(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, String>, Error> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        let found = self.people.get_many(&ids).await?.into_iter().map(|found| found.value);
        Ok(found.filter_map(|person| Some((person.id, person.handle?))).collect())
    }

    /// Who is called so, for those of these handles that somebody has.
    pub(crate) async fn people_called(&self, handles: &[&str]) -> Result<HashMap<String, UserId>, Error> {
        let keys: Vec<Key> = handles.iter().map(|handle| Key::new().text(handle)).collect();
        let found = keys.into_iter().map(|key| self.people.find(HANDLE, key));
        let found: Vec<_> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
        let called = handles.iter().zip(found);
        Ok(called.filter_map(|(handle, found)| Some(((*handle).to_owned(), found?.value.id))).collect())
    }
}
