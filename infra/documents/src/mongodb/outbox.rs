//! The outbox inside the documents.
//!
//! `outbox` maps an order (a ULID taken at the commit) to an event, `owes` is the smallest order, and
//! `owers` are the handles the events belong to. A map, since adding and removing an entry by name are the
//! two updates that every MongoDB-compatible server makes in the same way.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::{
    Collection as MongoCollection,
    bson::{Bson, Document, doc},
};
use tertulia_runtime::Timestamp;
use ulid::Ulid;

use super::{Failure, answer, query::TOMBSTONE};
use crate::{Error, Pending, bounds::EncodedEvent};

/// Which entries are wanted.
pub(super) enum Wanted<'a> {
    OfHandle(&'a str),
    BelowOrder(String),
}

/// The order of an entry that would have been made at this moment.
pub(super) fn order_at(moment: Timestamp) -> String {
    Ulid::from_parts(u64::try_from(moment.as_millis()).unwrap_or(0), 0).to_string()
}

/// Events with the orders they were given.
pub(super) struct Owed<'a> {
    pub(super) handle: &'a str,
    pub(super) entries: Vec<(String, &'a EncodedEvent)>,
}

impl Owed<'_> {
    fn entry(&self, event: &EncodedEvent) -> Document {
        doc! { "handle": self.handle, "event": &event.json }
    }

    /// Adds the events to a document about to be inserted.
    pub(super) fn join_document(&self, document: &mut Document) {
        let Some((first, _)) = self.entries.first() else { return };
        let entries =
            self.entries.iter().map(|(order, event)| (order.clone(), Bson::from(self.entry(event))));
        document.insert("outbox", entries.collect::<Document>());
        document.insert("owes", first);
        document.insert("owers", vec![self.handle]);
    }

    /// Adds the events to an update.
    pub(super) fn join_update(&self, mut set: Document, unset: Document) -> Document {
        for (order, event) in &self.entries {
            set.insert(format!("outbox.{order}"), self.entry(event));
        }
        let mut update = doc! { "$set": set };
        if let Some((first, _)) = self.entries.first() {
            update.insert("$min", doc! { "owes": first });
            update.insert("$addToSet", doc! { "owers": self.handle });
        }
        if !unset.is_empty() {
            update.insert("$unset", unset);
        }
        update
    }
}

/// Entries in their order, and beyond which order there may be others that were not read.
pub(super) struct Read {
    pub(super) entries: Vec<(String, Pending)>,
    pub(super) horizon: Option<String>,
}

/// The oldest wanted entries of at most `limit` documents of a collection.
pub(super) async fn read(
    collection: &MongoCollection<Document>,
    wanted: &Wanted<'_>,
    limit: usize,
) -> Result<Read, Error> {
    let filter = match wanted {
        Wanted::OfHandle(handle) => doc! { "owes": { "$gte": "" }, "owers": handle },
        Wanted::BelowOrder(order) => doc! { "owes": { "$gte": "", "$lt": order } },
    };
    let documents = i64::try_from(limit).expect("a page is at most MAX_PAGE");
    let finding = async {
        collection.find(filter).sort(doc! { "owes": 1 }).limit(documents).await?.try_collect().await
    };
    let documents: Vec<Document> = answer(finding).await?;
    let mut entries = Vec::new();
    for document in &documents {
        let decoded = decode(collection.name(), document, wanted)?;
        if decoded.is_none() {
            forget_if_empty(collection, id_of(document)).await?;
        }
        entries.extend(decoded.unwrap_or_default());
    }
    let last = documents.last().filter(|_| documents.len() == limit);
    let horizon = last.and_then(|last| last.get_str("owes").ok()).map(str::to_owned);
    Ok(Read { entries, horizon })
}

fn id_of(document: &Document) -> &str {
    document.get_str("_id").unwrap_or("?")
}

/// The wanted entries of a document; none if its outbox is empty, which a settling that was cut off leaves.
fn decode(
    collection: &str,
    document: &Document,
    wanted: &Wanted<'_>,
) -> Result<Option<Vec<(String, Pending)>>, Error> {
    let id = id_of(document);
    let corrupt =
        |cause: String| Error::Corrupt { collection: collection.to_owned(), id: id.to_owned(), cause };
    let outbox = document.get_document("outbox").map_err(|error| corrupt(error.to_string()))?;
    if outbox.is_empty() {
        return Ok(None);
    }
    let mut entries = Vec::new();
    for (order, entry) in outbox {
        let entry = entry.as_document().ok_or_else(|| corrupt(format!("{order} is no event")))?;
        let handle = entry.get_str("handle").map_err(|error| corrupt(error.to_string()))?;
        let is_wanted = match wanted {
            Wanted::OfHandle(of) => handle == *of,
            Wanted::BelowOrder(below) => order < below,
        };
        if is_wanted {
            let event = entry.get_str("event").map_err(|error| corrupt(error.to_string()))?;
            let event = serde_json::from_str(event).map_err(|error| corrupt(error.to_string()))?;
            let token = format!("{collection}/{order}/{id}");
            entries.push((order.clone(), Pending { token, event }));
        }
    }
    Ok(Some(entries))
}

/// Joins what several collections hold, oldest first.
pub(super) fn merge(reads: Vec<Read>, limit: usize) -> Vec<Pending> {
    let horizon = reads.iter().filter_map(|read| read.horizon.clone()).min();
    let entries: BTreeMap<_, _> = reads.into_iter().flat_map(|read| read.entries).collect();
    // Behind the horizon there may be gaps, which would be gaps in the order. If nothing is before it, what is
    // there is the best that one read can tell.
    let complete = horizon.map_or(0, |horizon| entries.range(..=horizon).count());
    let wanted = if complete == 0 { limit } else { limit.min(complete) };
    entries.into_values().take(wanted).collect()
}

/// Tokens by the document they belong to: `collection`, `id`, orders.
pub(super) type Settling<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a str>>;

pub(super) fn group(tokens: &[String]) -> Result<Settling<'_>, Error> {
    let mut settling = Settling::new();
    for token in tokens {
        let mut parts = token.splitn(3, '/');
        let (Some(collection), Some(order), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Invalid("the token is not one of ours".to_owned()));
        };
        // It becomes the name of a field.
        Ulid::from_string(order).map_err(|error| Error::Invalid(error.to_string()))?;
        settling.entry((collection, id)).or_default().push(order);
    }
    Ok(settling)
}

/// Takes entries out of a document's outbox.
pub(super) async fn settle(
    collection: &MongoCollection<Document>,
    id: &str,
    orders: &[&str],
) -> Result<(), Failure> {
    let entries: Document = orders.iter().map(|order| (format!("outbox.{order}"), Bson::from(""))).collect();
    let settled = answer(collection.update_one(doc! { "_id": id }, doc! { "$unset": entries })).await?;
    if settled.matched_count == 1 { forget_if_empty(collection, id).await } else { Ok(()) }
}

/// A document that owes nothing carries no outbox, and a tombstone that owes nothing goes.
async fn forget_if_empty(collection: &MongoCollection<Document>, id: &str) -> Result<(), Failure> {
    let living = doc! { "_id": id, "outbox": {}, "rev": { "$gt": 0 } };
    let forget = doc! { "$unset": { "outbox": "", "owes": "", "owers": "" } };
    let forgotten = answer(collection.update_one(living, forget)).await?;
    if forgotten.matched_count == 0 {
        answer(collection.delete_one(doc! { "_id": id, "outbox": {}, "rev": TOMBSTONE })).await?;
    }
    Ok(())
}
