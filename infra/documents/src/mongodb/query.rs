//! Filters, sort orders and what is read with them.

use mongodb::bson::{Bson, Document, doc};

use super::body;
use crate::{
    Collection, Cursor, Draft, Error, Index, Key, Order, Scan, Stored,
    range::{High, Low, bounds, needs_id},
};

/// The revision of a deleted document whose events are still owed.
pub(super) const TOMBSTONE: i64 = -1;

/// The field an index is over.
pub(super) fn field(index: Index) -> String {
    if index == Index::ID { "_id".to_owned() } else { format!("k.{}", index.name) }
}

pub(super) fn filter(scan: &Scan) -> Document {
    let field = field(scan.index);
    let with_id = needs_id(scan.index);
    let (low, high) = bounds(scan);
    let mut range = Document::new();
    // Behind or in front of a document: the range includes its key, and what ties with it is told apart by
    // the id. So the server seeks in the index, which it would not for one disjunction over both.
    let beside = match low {
        Low::From(key) => {
            range.insert("$gte", key);
            None
        }
        Low::After { key, id } => Some(("$gte", "$gt", key, id)),
    };
    let beside = match high {
        High::Open => beside,
        High::Before(key) => {
            range.insert("$lt", key);
            beside
        }
        High::BeforeDocument { key, id } => Some(("$lte", "$lt", key, id)),
    };
    let mut ties = None;
    if let Some((inclusive, strict, key, id)) = beside {
        if with_id {
            ties = Some(vec![doc! { &field: { strict: &key } }, doc! { "_id": { strict: id } }]);
        }
        range.insert(if with_id { inclusive } else { strict }, key);
    }
    let mut filter = doc! { field: range };
    if let Some(ties) = ties {
        filter.insert("$or", ties);
    }
    if scan.index == Index::ID {
        filter.insert("rev", doc! { "$gt": 0 });
    }
    filter
}

pub(super) fn sort(scan: &Scan) -> Document {
    let direction = match scan.order {
        Order::Ascending => 1,
        Order::Descending => -1,
    };
    let mut sort = doc! { field(scan.index): direction };
    if needs_id(scan.index) {
        sort.insert("_id", direction);
    }
    sort
}

/// A draft as a new document, but for what it owes.
pub(super) fn new_document(draft: &Draft) -> Result<Document, Error> {
    let keys = draft.keys.iter().map(|(index, key)| (index.name.to_owned(), Bson::from(key.as_str())));
    Ok(doc! { "_id": &draft.id, "rev": 1_i64, "k": keys.collect::<Document>(), "body": body(draft)? })
}

/// The update that makes a document of this collection what the draft says: what to set, what to unset. Each
/// key by its own name: a server may overlook that a key left its index when the field around it is replaced.
pub(super) fn changes(
    collection: &Collection,
    draft: &Draft,
    revision: i64,
) -> Result<(Document, Document), Error> {
    let mut set = doc! { "rev": revision, "body": body(draft)? };
    let mut unset = no_keys(collection);
    for (index, key) in &draft.keys {
        unset.remove(field(*index));
        set.insert(field(*index), key.as_str());
    }
    Ok((set, unset))
}

/// Unsets every key of a document.
pub(super) fn no_keys(collection: &Collection) -> Document {
    collection.indexes.iter().map(|index| (field(*index), Bson::from(""))).collect()
}

fn body(draft: &Draft) -> Result<Document, Error> {
    body::to_document(&draft.body).map_err(Error::Invalid)
}

/// The document that was stored; none if it is a tombstone.
pub(super) fn stored(collection: &Collection, document: &Document) -> Result<Option<Stored>, Error> {
    let id = document.get_str("_id").unwrap_or("?").to_owned();
    let corrupt =
        |cause: String| Error::Corrupt { collection: collection.name.to_owned(), id: id.clone(), cause };
    let revision = document.get_i64("rev").map_err(|error| corrupt(error.to_string()))?;
    if revision == TOMBSTONE {
        return Ok(None);
    }
    let revision = u64::try_from(revision).map_err(|error| corrupt(error.to_string()))?;
    let body = document.get_document("body").map_err(|error| corrupt(error.to_string()))?;
    let body = body::from_document(body).map_err(corrupt)?;
    Ok(Some(Stored { id, revision, body }))
}

/// The place behind this document.
pub(super) fn cursor(index: Index, document: &Document) -> Option<Cursor> {
    let id = document.get_str("_id").ok()?.to_owned();
    let key = match index {
        Index::ID => id.clone(),
        _ => document.get_document("k").ok()?.get_str(index.name).ok()?.to_owned(),
    };
    Some(Cursor { key: Key::from_encoded(key), id })
}
