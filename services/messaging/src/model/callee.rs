//! Whom a message calls, and by what a member is called.

use std::collections::BTreeSet;

use tertulia_contracts::{
    RoleId, UserId,
    messaging::{CALLED_ROLES, Entity, EntityKind, Fact, MemberRole},
};

/// What calls every member at once.
const EVERYONE: &str = "everyone";

/// Whom the entities of a message call: users and those who carry a custom role by their ids, those of a rank and everyone by
/// a word. Its author does not
/// call themselves.
pub fn callees(entities: &[Entity], author: UserId) -> BTreeSet<String> {
    let called = entities.iter().filter_map(|entity| match &entity.what {
        EntityKind::Mention { user_id } => (*user_id != author).then(|| user_id.to_string()),
        EntityKind::MentionEveryone | EntityKind::MentionHere => Some(EVERYONE.to_owned()),
        EntityKind::MentionRole { role } => {
            let word = CALLED_ROLES.into_iter().find(|(_, called)| called == role);
            word.map(|(word, _)| word.to_owned())
        }
        EntityKind::MentionCustomRole { role_id } => Some(role_id.to_string()),
        EntityKind::Link { .. }
        | EntityKind::Code
        | EntityKind::CodeBlock { .. }
        | EntityKind::Emoji { .. } => None,
    });
    called.collect()
}

/// What calls a member of this role who carries these custom roles. A word for a rank calls all who rank as high or higher.
pub fn called_by(user: UserId, role: MemberRole, carried: impl Iterator<Item = RoleId>) -> Vec<String> {
    let ranks = CALLED_ROLES.into_iter().filter(|(_, least)| role >= *least);
    let words = ranks.map(|(word, _)| word.to_owned());
    let carried = carried.map(|role| role.to_string());
    words.chain([user.to_string(), EVERYONE.to_owned()]).chain(carried).collect()
}

/// Since which entry a message calls somebody, none if it does not: folds the entry at `seq` into that. What an edit adds
/// counts from the edit on, so that whoever has read past the message hears of it; what it leaves as it was
/// counts where it did.
pub fn calls_since(before: Option<u64>, seq: u64, fact: &Fact, callee: &str, author: UserId) -> Option<u64> {
    let entities = match fact {
        Fact::MessagePosted { message } => &message.entities,
        Fact::MessageEdited { entities, .. } => entities,
        Fact::MessageDeleted { .. } => return None,
        _ => return before,
    };
    callees(entities, author).contains(callee).then(|| before.unwrap_or(seq))
}
