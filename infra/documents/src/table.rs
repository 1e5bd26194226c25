//! A typed view of one collection: what services use.

use std::{marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tertulia_runtime::Event;

use crate::{Appended, Collection, Documents, Draft, Error, Index, Key, Page, Revision, Scan, Stored, Write};

/// A type whose values are documents of one collection.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The collection they are kept in.
    const COLLECTION: Collection;

    /// The document's id.
    fn id(&self) -> String;

    /// The document's key in each index it stands in.
    fn keys(&self) -> Vec<(Index, Key)>;
}

/// A record with the revision it was read at.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The revision a replacement must name.
    pub revision: Revision,
}

/// The collection of a record type in a store.
pub struct Table<T> {
    documents: Arc<dyn Documents>,
    record: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { documents: self.documents.clone(), record: PhantomData }
    }
}

impl<T: Record> Table<T> {
    /// The view of `T`'s collection in this store.
    pub fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, record: PhantomData }
    }

    /// The record of this id, if there is one.
    pub async fn get(&self, id: &str) -> Result<Option<Versioned<T>>, Error> {
        self.documents.get(&T::COLLECTION, id).await?.map(decode).transpose()
    }

    /// Those records of these ids that exist, in the order asked for.
    pub async fn get_many(&self, ids: &[String]) -> Result<Vec<Versioned<T>>, Error> {
        self.documents.get_many(&T::COLLECTION, ids).await?.into_iter().map(decode).collect()
    }

    /// The record with this key in a unique index, or the first with it in an ordered one.
    pub async fn find(&self, index: Index, key: Key) -> Result<Option<Versioned<T>>, Error> {
        Ok(self.scan(Scan::of(index, key, 1)).await?.items.pop())
    }

    /// A page of an index.
    pub async fn scan(&self, scan: Scan) -> Result<Page<Versioned<T>>, Error> {
        let page = self.documents.scan(&T::COLLECTION, scan).await?;
        let items = page.items.into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Adds a record that must not exist yet, with its events.
    pub async fn insert(&self, value: &T, events: Vec<Event>) -> Result<Revision, Error> {
        self.documents.commit(&T::COLLECTION, Write::Insert(draft(value)?), events).await
    }

    /// Replaces the record read at `revision`, with its events.
    pub async fn replace(
        &self,
        value: &T,
        revision: Revision,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        self.documents.commit(&T::COLLECTION, Write::Replace(draft(value)?, revision), events).await
    }

    /// Deletes the record read at `revision`, with its events.
    pub async fn delete(&self, id: &str, revision: Revision, events: Vec<Event>) -> Result<(), Error> {
        let write = Write::Delete(id.to_owned(), revision);
        self.documents.commit(&T::COLLECTION, write, events).await.map(|_| ())
    }

    /// Inserts a run of records in order and stops at the first that cannot be.
    pub async fn append_many<'a>(&self, run: impl IntoIterator<Item = &'a T>) -> Result<Appended, Error> {
        let run = run.into_iter().map(draft).collect::<Result<_, _>>()?;
        self.documents.append_many(&T::COLLECTION, run).await
    }
}

fn draft<T: Record>(value: &T) -> Result<Draft, Error> {
    let body = serde_json::value::to_raw_value(value).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Draft { id: value.id(), keys: value.keys(), body })
}

fn decode<T: Record>(stored: Stored) -> Result<Versioned<T>, Error> {
    let value = serde_json::from_str(stored.body.get()).map_err(|error| Error::Corrupt {
        collection: T::COLLECTION.name.to_owned(),
        id: stored.id,
        cause: error.to_string(),
    })?;
    Ok(Versioned { value, revision: stored.revision })
}
