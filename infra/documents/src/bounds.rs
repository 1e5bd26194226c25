//! What every adapter checks before it writes or reads, so that all of them refuse the same things.

use tertulia_runtime::{Event, event::EventId};

use crate::{
    Collection, Draft, Error, Index, Key, Scan, Write,
    port::{
        MAX_BODY_BYTES, MAX_DEPTH, MAX_EVENT_BYTES, MAX_EVENTS, MAX_ID_BYTES, MAX_KEY_BYTES, MAX_PAGE,
        MAX_RUN,
    },
};

/// An event in the form in which it is stored.
#[derive(Debug)]
pub(crate) struct EncodedEvent {
    pub(crate) id: EventId,
    pub(crate) json: String,
}

pub(crate) fn check_write(collection: &Collection, write: &Write) -> Result<(), Error> {
    match write {
        Write::Insert(draft) | Write::Replace(draft, _) => check_draft(collection, draft),
        Write::Delete(id, _) => check_id(id),
    }
}

pub(crate) fn check_run(collection: &Collection, run: &[Draft]) -> Result<(), Error> {
    if run.len() > MAX_RUN {
        return Err(Error::Invalid(format!(
            "a run of {} documents exceeds the bound of {MAX_RUN}",
            run.len()
        )));
    }
    run.iter().try_for_each(|draft| check_draft(collection, draft))
}

pub(crate) fn check_scan(collection: &Collection, scan: &Scan) -> Result<(), Error> {
    if scan.limit == 0 || scan.limit > MAX_PAGE {
        return Err(Error::Invalid(format!("a page of {} is not within 1 to {MAX_PAGE}", scan.limit)));
    }
    check_index(collection, scan.index)
}

pub(crate) fn check_page(wanted: usize) -> Result<(), Error> {
    if wanted > MAX_PAGE {
        return Err(Error::Invalid(format!("{wanted} documents at once exceed the bound of {MAX_PAGE}")));
    }
    Ok(())
}

pub(crate) fn encode_events(events: &[Event]) -> Result<Vec<EncodedEvent>, Error> {
    if events.len() > MAX_EVENTS {
        return Err(Error::Invalid(format!("{} events exceed the bound of {MAX_EVENTS}", events.len())));
    }
    events.iter().map(encode_event).collect()
}

fn encode_event(event: &Event) -> Result<EncodedEvent, Error> {
    let json = serde_json::to_string(event).map_err(|error| Error::Invalid(error.to_string()))?;
    if json.len() > MAX_EVENT_BYTES {
        let bytes = json.len();
        return Err(Error::Invalid(format!(
            "an event of {bytes} bytes exceeds the bound of {MAX_EVENT_BYTES}"
        )));
    }
    Ok(EncodedEvent { id: event.id, json })
}

fn check_draft(collection: &Collection, draft: &Draft) -> Result<(), Error> {
    check_id(&draft.id)?;
    for (position, (index, key)) in draft.keys.iter().enumerate() {
        if *index == Index::ID || draft.keys[..position].iter().any(|(earlier, _)| earlier == index) {
            return Err(Error::Invalid(format!(
                "a document has one key at most in the index {}",
                index.name
            )));
        }
        check_index(collection, *index)?;
        check_key(key)?;
    }
    check_body(draft.body.get())
}

fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.contains('\0') {
        return Err(Error::Invalid(format!("an id has 1 to {MAX_ID_BYTES} bytes, none of them zero")));
    }
    Ok(())
}

fn check_index(collection: &Collection, index: Index) -> Result<(), Error> {
    if index == Index::ID || collection.indexes.contains(&index) {
        return Ok(());
    }
    Err(Error::Invalid(format!("{} has no such index: {}", collection.name, index.name)))
}

fn check_key(key: &Key) -> Result<(), Error> {
    let encoded = key.as_str();
    if encoded.len() > MAX_KEY_BYTES || encoded.contains('\0') {
        return Err(Error::Invalid(format!("a key has at most {MAX_KEY_BYTES} bytes, none of them zero")));
    }
    Ok(())
}

fn check_body(body: &str) -> Result<(), Error> {
    if body.len() > MAX_BODY_BYTES {
        let bytes = body.len();
        return Err(Error::Invalid(format!("a body of {bytes} bytes exceeds the bound of {MAX_BODY_BYTES}")));
    }
    if !body.starts_with('{') {
        return Err(Error::Invalid("a body is a JSON object".to_owned()));
    }
    // Counting vectorises and settles nearly every document; only one with many brackets is looked at closely.
    let brackets = body.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets > MAX_DEPTH && depth(body) > MAX_DEPTH {
        return Err(Error::Invalid(format!("a body is nested at most {MAX_DEPTH} deep")));
    }
    if has_zero(body) {
        return Err(Error::Invalid(
            "a text holds the character U+0000, which not every store can hold".to_owned(),
        ));
    }
    Ok(())
}

/// How deep a valid JSON text nests.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Whether a valid JSON text holds U+0000, which can only stand there escaped.
fn has_zero(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(position, _)| {
        let backslashes = json[..position].bytes().rev().take_while(|&byte| byte == b'\\').count();
        backslashes % 2 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::{depth, has_zero};

    #[test]
    fn depth_counts_brackets_outside_of_texts_only() {
        assert_eq!(depth(r#"{"a":[{}],"b":{}}"#), 3);
        assert_eq!(depth(r#"{"a":"[[[[\"[[[["}"#), 1);
    }

    #[test]
    fn zero_is_seen_only_where_it_is_meant() {
        assert!(has_zero(r#"{"a":"x\u0000"}"#));
        assert!(has_zero(r#"{"a":"\\\u0000"}"#));
        assert!(!has_zero(r#"{"a":"\\u0000"}"#));
    }
}
