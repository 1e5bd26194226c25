//! What a body comes to as entities: whose handles they are is known here, and how many of them are kept.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use tertulia_contracts::{
    UserId,
    messaging::{Entity, EntityKind, MAX_ENTITIES, MAX_MENTIONED, MAX_URL_BYTES},
    permissions::{Denial, Refusal},
};

use super::{
    access::{Action, Ground, may},
    custom_emoji::Emojis,
    roles::Roles,
    text::{Found, What, find},
    words::bare,
};

/// What a body holds besides words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup {
    entities: Vec<Entity>,
    /// What may be a word of the conversation's own, and where. Which words it has, its writer knows.
    words: Vec<(u32, Own)>,
    /// Whether there are links, also such as are too many to be entities.
    links: bool,
}

/// What may be a word of a conversation's own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Own {
    /// The word of a custom role.
    Role(String),
    /// The name of an emoji.
    Emoji(String),
}

/// The words that mean something in one conversation alone.
#[derive(Debug, Clone, Copy)]
pub struct OwnWords<'a> {
    /// Its custom roles.
    pub roles: &'a Roles,
    /// Its emoji.
    pub emoji: &'a Emojis,
}

impl OwnWords<'_> {
    /// What a word is here, and how long.
    fn meaning(&self, word: &Own) -> Option<(usize, EntityKind)> {
        match word {
            Own::Role(word) => [word.as_str(), bare(word)].into_iter().find_map(|word| {
                let role_id = self.roles.called(word)?;
                Some((1 + word.len(), EntityKind::MentionCustomRole { role_id }))
            }),
            Own::Emoji(name) => {
                let media_id = Some(self.emoji.picture(name)?);
                Some((2 + name.len(), EntityKind::Emoji { media_id }))
            }
        }
    }
}

/// The handles that may be meant by what was found: as they stand, and without what may end a sentence. Of the first
/// [`MAX_MENTIONED`] that differ.
pub fn handles(found: &[Found]) -> Vec<&str> {
    let written = found.iter().filter_map(|found| match &found.what {
        What::Handle(handle) => Some(handle.as_str()),
        What::Entity(_) | What::Named(_) => None,
    });
    let mut first = Vec::new();
    for handle in written {
        if first.len() < MAX_MENTIONED && !first.contains(&handle) {
            first.push(handle);
        }
    }
    let meant: BTreeSet<&str> = first.into_iter().flat_map(|handle| [handle, bare(handle)]).collect();
    meant.into_iter().collect()
}

impl Markup {
    /// What was found in a body, given who these handles are. A handle that is nobody's is plain text.
    pub fn of(body: &str, found: Vec<Found>, people: &HashMap<String, UserId>) -> Self {
        let links = found.iter().any(|found| matches!(found.what, What::Entity(EntityKind::Link { .. })));
        let mut kept: Vec<(usize, usize, EntityKind)> = Vec::with_capacity(found.len());
        let mut words = Vec::new();
        let (mut meant, mut url_bytes) = (Vec::new(), 0);
        for Found { place, what } in found {
            let (length, kind) = match what {
                What::Entity(kind) => (place.len(), kind),
                What::Named(name) => {
                    words.push((place.start, 0, Own::Emoji(name)));
                    continue;
                }
                What::Handle(handle) => {
                    let mentioned = person(&handle, people);
                    if meant.len() < MAX_MENTIONED && !meant.contains(&handle) {
                        meant.push(handle.clone());
                    }
                    if meant.contains(&handle) {
                        words.push((place.start, 0, Own::Role(handle)));
                    }
                    match mentioned {
                        Some((length, user_id)) => (1 + length, EntityKind::Mention { user_id }),
                        None => continue,
                    }
                }
            };
            if let EntityKind::Link { url } = &kind {
                url_bytes += url.len();
                if url_bytes > MAX_URL_BYTES {
                    url_bytes -= url.len();
                    continue;
                }
            }
            kept.push((place.start, length, kind));
        }
        let entities =
            in_code_units(body, kept).map(|(offset, length, what)| Entity { offset, length, what });
        let entities = fitting(entities.collect());
        let words = in_code_units(body, words).map(|(offset, _, word)| (offset, word)).collect();
        Self { entities, words, links }
    }

    /// What a body holds that somebody else said elsewhere. Who was called there is not called again: those words are plain.
    pub fn passed_on(body: &str) -> Self {
        let mut markup = Self::of(body, find(body), &HashMap::new());
        markup.entities.retain(|entity| !entity.what.calls_many());
        markup.words.clear();
        markup
    }

    /// The entities, if this may be said here, where these words are. Where nobody may call many, the words for it
    /// call nobody.
    pub fn said(&self, ground: Ground, own: OwnWords<'_>) -> Result<Vec<Entity>, Refusal> {
        if self.links {
            may(Action::PostLinks, ground)?;
        }
        let mut entities = self.with_own(own);
        if entities.iter().any(|entity| entity.what.calls_many()) {
            match may(Action::MentionEveryone, ground) {
                Err(Refusal { denial: Denial::Kind(_), .. }) => {
                    entities.retain(|entity| !entity.what.calls_many());
                }
                decided => decided?,
            }
        }
        Ok(entities)
    }
}

impl Markup {
    /// The entities with the conversation's own words among them. Such a word comes before a person of that handle.
    fn with_own(&self, own: OwnWords<'_>) -> Vec<Entity> {
        let mut entities = self.entities.clone();
        if self.words.is_empty() || own.emoji.is_empty() && !own.roles.has_words() {
            return entities;
        }
        for (offset, word) in &self.words {
            if let Some((length, what)) = own.meaning(word) {
                entities.retain(|entity| entity.offset != *offset);
                let length = u32::try_from(length).expect("a word is no longer than a body");
                entities.push(Entity { offset: *offset, length, what });
            }
        }
        entities.sort_by_key(|entity| (entity.offset, Reverse(entity.length)));
        fitting(entities)
    }
}

/// As many as a message holds, in their order.
fn fitting(mut entities: Vec<Entity>) -> Vec<Entity> {
    if entities.len() > MAX_ENTITIES {
        entities.sort_by_key(|entity| rank(&entity.what));
        entities.truncate(MAX_ENTITIES);
        entities.sort_by_key(|entity| (entity.offset, Reverse(entity.length)));
    }
    entities
}

fn person(handle: &str, people: &HashMap<String, UserId>) -> Option<(usize, UserId)> {
    [handle, bare(handle)].into_iter().find_map(|handle| Some((handle.len(), *people.get(handle)?)))
}

/// What is kept first when there is too much: what somebody would miss most.
fn rank(kind: &EntityKind) -> u8 {
    match kind {
        EntityKind::Mention { .. }
        | EntityKind::MentionRole { .. }
        | EntityKind::MentionEveryone
        | EntityKind::MentionHere
        | EntityKind::MentionCustomRole { .. } => 0,
        EntityKind::Link { .. } => 1,
        EntityKind::Code | EntityKind::CodeBlock { .. } => 2,
        EntityKind::Emoji { .. } => 3,
    }
}

/// Counts in UTF-16 code units what was counted in bytes; what is given is in the order of the body.
fn in_code_units<T>(body: &str, kept: Vec<(usize, usize, T)>) -> impl Iterator<Item = (u32, u32, T)> {
    let units = |text: &str| -> u32 {
        text.chars().map(|character| if character.len_utf16() == 1 { 1 } else { 2 }).sum()
    };
    let (mut byte, mut offset) = (0, 0);
    kept.into_iter().map(move |(start, length, what)| {
        offset += units(&body[byte..start]);
        byte = start;
        (offset, units(&body[start..start + length]), what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tertulia_runtime::Id;
    use ulid::Ulid;

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn entities(body: &str, people: &[(&str, u64)]) -> Vec<Entity> {
        let people = people.iter().map(|(handle, number)| ((*handle).to_owned(), user(*number))).collect();
        Markup::of(body, find(body), &people).entities
    }

    #[test]
    fn places_are_counted_in_utf_16_code_units() {
        let found = entities("é👍 @ann **`x`**", &[("ann", 1)]);
        let places: Vec<(u32, u32)> = found.iter().map(|entity| (entity.offset, entity.length)).collect();
        assert_eq!(places, [(1, 2), (4, 4), (11, 3)]);
    }

    #[test]
    fn a_handle_is_whose_it_is_with_or_without_what_ends_a_sentence() {
        let mentioned = |body, people: &[(&str, u64)]| -> Vec<(u32, UserId)> {
            let mentions = entities(body, people).into_iter().filter_map(|entity| match entity.what {
                EntityKind::Mention { user_id } => Some((entity.length, user_id)),
                _ => None,
            });
            mentions.collect()
        };
        assert_eq!(mentioned("@ann.", &[("ann", 1)]), [(4, user(1))]);
        assert_eq!(mentioned("@ann.", &[("ann", 1), ("ann.", 2)]), [(5, user(2))]);
        assert_eq!(mentioned("@ann @nobody", &[("ann", 1)]), [(4, user(1))]);
        assert_eq!(handles(&find("@ann. @ben @Ann.")), ["ann", "ann.", "ben"]);
    }

    #[test]
    fn what_is_too_much_is_left_out_and_calls_last() {
        let emoji = "👍".repeat(99);
        assert_eq!(entities(&format!("{emoji} @ann"), &[("ann", 1)]).len(), MAX_ENTITIES);
        let over = entities(&format!("{emoji}👍 @ann"), &[("ann", 1)]);
        assert_eq!(over.len(), MAX_ENTITIES);
        assert_eq!(over.last().map(|entity| &entity.what), Some(&EntityKind::Mention { user_id: user(1) }));

        let names: Vec<String> = (0..=MAX_MENTIONED).map(|number| format!("person{number}")).collect();
        let body = format!("@{}", names.join(" @"));
        assert_eq!(handles(&find(&body)).len(), MAX_MENTIONED);

        let address = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - 18));
        let links = |rest: usize| format!("{} {}", address(MAX_URL_BYTES / 2), address(rest));
        assert_eq!(entities(&links(MAX_URL_BYTES / 2), &[]).len(), 2);
        let over = links(MAX_URL_BYTES / 2 + 1);
        assert_eq!(entities(&over, &[]).len(), 1);
        let markup = Markup::of(&over, find(&over), &HashMap::new());
        assert!(markup.links);
    }

    proptest! {
        #[test]
        fn every_entity_is_what_a_client_cuts_out(body in "(@ann|👍|`x`|é|https://a\\.example| |\n|a){0,60}") {
            let units: Vec<u16> = body.encode_utf16().collect();
            let found = entities(&body, &[("ann", 1)]);
            prop_assert!(found.len() <= MAX_ENTITIES);
            for entity in found {
                let (from, length) = (entity.offset as usize, entity.length as usize);
                let cut = String::from_utf16(&units[from..from + length]).expect("whole characters");
                match entity.what {
                    EntityKind::Mention { .. } => prop_assert_eq!(cut, "@ann"),
                    EntityKind::Emoji { .. } => prop_assert_eq!(cut, "👍"),
                    EntityKind::Code => prop_assert!(cut.starts_with('`') && cut.ends_with('`'), "{}", cut),
                    EntityKind::Link { url } => prop_assert_eq!(cut, url),
                    _ => {}
                }
            }
        }
    }
}
