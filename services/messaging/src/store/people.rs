//! Who there is: what messaging remembers of auth's users.

use serde::{Deserialize, Serialize};
use tertulia_contracts::UserId;
use tertulia_documents::{Collection, Error, Index, Key, Record};

use super::Store;

/// Somebody who has an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonRecord {
    /// Who.
    pub id: UserId,
}

impl Record for PersonRecord {
    const COLLECTION: Collection = Collection { name: "people", indexes: &[] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl Store {
    /// Remembers somebody. Doing so twice is harmless.
    pub(crate) async fn remember_person(&self, id: UserId) -> Result<(), Error> {
        match self.people.insert(&PersonRecord { id }, Vec::new()).await {
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Those of these users who are not remembered here.
    pub(crate) async fn unknown_people(&self, ids: &[UserId]) -> Result<Vec<UserId>, Error> {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let known: Vec<UserId> =
            self.people.get_many(&texts).await?.into_iter().map(|found| found.value.id).collect();
        Ok(ids.iter().copied().filter(|id| !known.contains(id)).collect())
    }
}
