//! What can be set of a conversation: how its log tells it, and who may change it to what.

use std::{collections::HashSet, num::NonZeroU32};

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{Comments, ConversationKind, Fact, UpdateConversation, Visibility},
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, may},
    change::Rejection,
};

/// The settings of a conversation, as of some entry of its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What it is called.
    pub title: Option<String>,
    /// What it is about; empty if nobody said.
    #[serde(default)]
    pub description: String,
    /// What it is found by besides its name.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Who may find and read it; none before the first entry, and where it was founded before this was kept.
    #[serde(default)]
    pub visibility: Option<Visibility>,
    /// Since when it is closed for writing.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// After how many seconds messages disappear that are posted now; none if they stay.
    #[serde(default)]
    pub disappear_after_s: Option<u32>,
    /// How many seconds lie between two messages of one author; none if there is no slow mode.
    #[serde(default)]
    pub slow_mode_s: Option<NonZeroU32>,
    /// Whether those write in threads who may not post; of a channel alone it can be otherwise.
    #[serde(default)]
    pub comments: Comments,
}

impl Settings {
    /// Takes the next fact of the log.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::ConversationCreated { title, visibility, .. } => {
                self.title.clone_from(title);
                self.visibility = Some(*visibility);
            }
            Fact::ConversationUpdated {
                title,
                description,
                tags,
                visibility,
                disappear_after_s,
                slow_mode_s,
                comments,
                ..
            } => {
                if title.is_some() {
                    self.title.clone_from(title);
                }
                if let Some(description) = description {
                    self.description.clone_from(description);
                }
                if let Some(tags) = tags {
                    self.tags.clone_from(tags);
                }
                self.visibility = visibility.or(self.visibility);
                if let Some(seconds) = disappear_after_s {
                    self.disappear_after_s = Some(*seconds).filter(|seconds| *seconds > 0);
                }
                self.slow_mode_s = slow_mode_s.map_or(self.slow_mode_s, NonZeroU32::new);
                self.comments = comments.unwrap_or(self.comments);
            }
            Fact::ConversationArchived { at, .. } => self.archived_at = Some(*at),
            Fact::ConversationUnarchived { .. } => self.archived_at = None,
            _ => {}
        }
    }
}

/// The fact that a wish for other settings becomes, which names what changes and nothing else; none if all is so.
pub fn updated(
    wanted: &UpdateConversation,
    by: UserId,
    at: Timestamp,
    ground: Ground,
    settings: &Settings,
) -> Result<Option<Fact>, Rejection> {
    // The two of a direct conversation are equals, who set nothing but this.
    let only_time = UpdateConversation { disappear_after_s: wanted.disappear_after_s, ..Default::default() };
    let of_equals = ground.kind == ConversationKind::Direct && *wanted == only_time;
    may(if of_equals { Action::Pin } else { Action::Update }, ground)?;
    let open = wanted.visibility.is_some_and(|visibility| visibility != Visibility::Private);
    let of_channels = [(open, "visibility"), (wanted.comments.is_some(), "comments")];
    let misplaced = of_channels.into_iter().find(|(set, _)| *set && ground.kind != ConversationKind::Channel);
    if let Some((_, field)) = misplaced {
        return Err(Rejection::NoChannel(field));
    }
    let title = wanted.title.clone().filter(|title| settings.title.as_ref() != Some(title));
    let description = wanted.description.clone().filter(|description| settings.description != *description);
    let tags = wanted.tags.as_deref().map(normalised).filter(|tags| settings.tags != *tags);
    let visibility = wanted.visibility.filter(|visibility| ground.visibility != *visibility);
    let known = settings.disappear_after_s.unwrap_or(0);
    let disappear_after_s = wanted.disappear_after_s.filter(|seconds| known != *seconds);
    let slow_mode_s = wanted.slow_mode_s.filter(|wanted| settings.slow_mode_s != NonZeroU32::new(*wanted));
    let comments = wanted.comments.filter(|comments| settings.comments != *comments);
    let changes = title.is_some()
        || description.is_some()
        || tags.is_some()
        || visibility.is_some()
        || disappear_after_s.is_some()
        || slow_mode_s.is_some()
        || comments.is_some();
    let fact = Fact::ConversationUpdated {
        title,
        description,
        tags,
        visibility,
        disappear_after_s,
        slow_mode_s,
        comments,
        by,
        at,
    };
    Ok(changes.then_some(fact))
}

/// The fact that a wish to close a conversation for writing, or to open it again, becomes; none if it is so.
pub fn archived(
    wanted: bool,
    by: UserId,
    at: Timestamp,
    ground: Ground,
    settings: &Settings,
) -> Result<Option<Fact>, Rejection> {
    may(Action::Archive, ground)?;
    Ok((settings.archived_at.is_some() != wanted).then_some(if wanted {
        Fact::ConversationArchived { by, at }
    } else {
        Fact::ConversationUnarchived { by, at }
    }))
}

/// Tags as they are kept: lower case, each once, in the order given.
fn normalised(tags: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    tags.iter().map(|tag| tag.to_lowercase()).filter(|tag| seen.insert(tag.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_and_written_before_there_were_settings_still_reads() {
        let settings: Settings = serde_json::from_str(r#"{"title":"Old"}"#).unwrap();
        assert_eq!(settings, Settings { title: Some("Old".to_owned()), ..Settings::default() });
        let by = "usr_01J00000000000000000000000";
        let entry = format!(
            r#"{{"type":"conversation.updated","title":"New","by":"{by}","at":"2026-01-01T00:00:00Z"}}"#
        );
        let mut after = Settings { description: "Kept".to_owned(), ..settings };
        after.apply(&serde_json::from_str(&entry).unwrap());
        assert_eq!((after.title.as_deref(), after.description.as_str()), (Some("New"), "Kept"));
    }

    #[test]
    fn tags_are_kept_lower_and_once() {
        let tags = ["Rust", "Größe", "rust", "a-b"].map(str::to_owned);
        assert_eq!(normalised(&tags), ["rust", "größe", "a-b"]);
    }
}
