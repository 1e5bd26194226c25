//! Emoji of a conversation's own: what the log says of them, and who may change it to what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    MediaId, UserId,
    messaging::{CustomEmoji, CustomEmojis, Fact, MAX_CUSTOM_EMOJI, is_emoji_name},
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, may},
    change::Rejection,
};

/// The emoji of a conversation's own, as of some entry of its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emojis {
    /// Each picture by its name.
    named: BTreeMap<String, MediaId>,
    /// The newest entry that this shows; 0 before the first about them.
    changed_seq: u64,
}

impl Emojis {
    /// Takes the entry at `seq` of the log, unless it is shown already.
    pub fn apply(&mut self, seq: u64, fact: &Fact) {
        if seq <= self.changed_seq {
            return;
        }
        match fact {
            Fact::EmojiPut { name, media_id, .. } => drop(self.named.insert(name.clone(), *media_id)),
            Fact::EmojiRemoved { name, .. } => drop(self.named.remove(name)),
            _ => return,
        }
        self.changed_seq = seq;
    }

    /// The picture of this name.
    pub fn picture(&self, name: &str) -> Option<MediaId> {
        self.named.get(name).copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// As the readers see them.
    pub fn shown(&self) -> CustomEmojis {
        let items = self.named.iter();
        let items = items.map(|(name, media_id)| CustomEmoji { name: name.clone(), media_id: *media_id });
        CustomEmojis { items: items.collect(), changed_seq: self.changed_seq }
    }

    /// The fact that a wish for this emoji, or for none of this name, becomes; none if it is so.
    pub fn decide(
        &self,
        (name, wanted): (&str, Option<MediaId>),
        by: UserId,
        at: Timestamp,
        ground: Ground,
    ) -> Result<Option<Fact>, Rejection> {
        may(Action::ManageEmoji, ground)?;
        let known = self.picture(name);
        if known == wanted {
            return Ok(None);
        }
        if known.is_none() && self.named.len() >= MAX_CUSTOM_EMOJI {
            return Err(Rejection::TooManyEmoji);
        }
        let name = name.to_owned();
        Ok(Some(match wanted {
            Some(media_id) => Fact::EmojiPut { name, media_id, by, at },
            None => Fact::EmojiRemoved { name, by, at },
        }))
    }
}

/// Whoever loads what readers see can go on from there with the log.
impl From<&CustomEmojis> for Emojis {
    fn from(shown: &CustomEmojis) -> Self {
        let named = shown.items.iter().map(|emoji| (emoji.name.clone(), emoji.media_id));
        Self { named: named.collect(), changed_seq: shown.changed_seq }
    }
}

/// The name of an emoji of a conversation's own that is written with its colons; none if this is none.
pub fn name_of(emoji: &str) -> Option<&str> {
    emoji.strip_prefix(':')?.strip_suffix(':').filter(|name| is_emoji_name(name))
}
