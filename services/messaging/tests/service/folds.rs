//! What a random run is judged by: sound folds hold what is loaded, and folds that skip one sort of fact are noticed.

use std::collections::BTreeMap;

use tertulia_contracts::messaging::{Entry, Fact};
use tertulia_messaging::model::snapshot::Snapshot;
use tertulia_runtime::Timestamp;

/// How many entries somebody hears again who loads a snapshot while things go on.
const OVERLAP: usize = 7;

/// How a fold that is wrong takes an entry.
pub(crate) type Folds = fn(&mut Snapshot, &Entry);

/// Folds that take all there is, and make something else of it.
pub(crate) const FOLDS_THAT_ERR: &[(&str, Folds)] = &[
    ("puts what is in threads into the conversation", |snapshot, entry| {
        let mut entry = entry.clone();
        if let Fact::MessagePosted { message } = &mut entry.e {
            message.thread_id = None;
        }
        snapshot.apply(&entry);
    }),
    ("forgets what has a thread", |snapshot, entry| {
        snapshot.apply(entry);
        snapshot.messages.iter_mut().for_each(|message| message.thread = None);
    }),
    ("forgets the word of a role", |snapshot, entry| {
        let mut entry = entry.clone();
        if let Fact::RolePut { mentionable, .. } = &mut entry.e {
            *mentionable = false;
        }
        snapshot.apply(&entry);
    }),
    ("forgets the picture of a reaction", |snapshot, entry| {
        let mut entry = entry.clone();
        if let Fact::ReactionSet { media_id, .. } = &mut entry.e {
            *media_id = None;
        }
        snapshot.apply(&entry);
    }),
    ("counts again what it knows of a thread", |snapshot, entry| {
        let threads = snapshot.messages.iter_mut().filter_map(|message| message.thread.as_mut());
        threads.for_each(|thread| thread.last_seq = 0);
        snapshot.apply(entry);
    }),
];

/// Whether a fold takes an entry; a sound one takes all.
pub(crate) type Takes = fn(&Fact) -> bool;

/// Folds that are wrong, each in one sort of fact.
pub(crate) const FOLDS_THAT_SKIP: &[(&str, Takes)] = &[
    ("comments", |fact| !matches!(fact, Fact::MessagePosted { message } if message.thread_id.is_some())),
    ("custom roles", |fact| !matches!(fact, Fact::RolePut { .. })),
    ("custom roles deleted", |fact| !matches!(fact, Fact::RoleDeleted { .. })),
    ("custom roles given", |fact| !matches!(fact, Fact::RoleGiven { .. })),
    ("custom roles taken", |fact| !matches!(fact, Fact::RoleTaken { .. })),
    ("notes", |fact| !matches!(fact, Fact::MemberOverridden { .. })),
    ("emoji of its own", |fact| !matches!(fact, Fact::EmojiPut { .. })),
    ("such emoji removed", |fact| !matches!(fact, Fact::EmojiRemoved { .. })),
    ("edits", |fact| !matches!(fact, Fact::MessageEdited { .. })),
    ("deletions", |fact| !matches!(fact, Fact::MessageDeleted { .. })),
    ("reactions", |fact| !matches!(fact, Fact::ReactionSet { .. })),
    ("reactions taken back", |fact| !matches!(fact, Fact::ReactionRemoved { .. })),
    ("pins", |fact| !matches!(fact, Fact::MessagePinned { .. })),
    ("unpins", |fact| !matches!(fact, Fact::MessageUnpinned { .. })),
    ("votes", |fact| !matches!(fact, Fact::PollVoted { .. })),
    ("polls closed", |fact| !matches!(fact, Fact::PollClosed { .. })),
    ("leavings", |fact| !matches!(fact, Fact::MemberLeft { .. })),
    ("roles", |fact| !matches!(fact, Fact::MemberRoleChanged { .. })),
    ("owners", |fact| !matches!(fact, Fact::OwnerChanged { .. })),
    ("bans", |fact| !matches!(fact, Fact::MemberBanned { .. })),
    ("bans lifted", |fact| !matches!(fact, Fact::MemberUnbanned { .. })),
    ("mutes", |fact| !matches!(fact, Fact::MemberMuted { .. })),
    ("mutes lifted", |fact| !matches!(fact, Fact::MemberUnmuted { .. })),
    ("titles", |fact| !matches!(fact, Fact::ConversationUpdated { title: Some(_), .. })),
    ("other settings", |fact| !matches!(fact, Fact::ConversationUpdated { title: None, .. })),
    ("slow mode", |fact| !matches!(fact, Fact::ConversationUpdated { slow_mode_s: Some(_), .. })),
    ("comments switched", |fact| !matches!(fact, Fact::ConversationUpdated { comments: Some(_), .. })),
    ("archives", |fact| !matches!(fact, Fact::ConversationArchived { .. })),
    ("archives opened", |fact| !matches!(fact, Fact::ConversationUnarchived { .. })),
];

/// What there was to see of one conversation at one moment of a run. Judging it needs no service any more.
pub(crate) struct Sight {
    pub(crate) place: usize,
    pub(crate) at: Timestamp,
    /// What somebody heard, who is there all the time, since the sight before.
    pub(crate) heard: Vec<Entry>,
    /// The log, as somebody reads it who comes now.
    pub(crate) log: Vec<Entry>,
    /// What the service's documents say.
    pub(crate) loaded: Snapshot,
}

/// Whether all who read hold at each sight what is loaded, each folding in a way of their own: somebody who is there all
/// the time, somebody who reads the log from its beginning, and somebody who loaded the sight before and hears on from a
/// little before it.
pub(crate) fn judge(sights: &[Sight], folds: impl Fn(&mut Snapshot, &Entry)) -> Result<(), String> {
    let mut followers: BTreeMap<usize, Snapshot> = BTreeMap::new();
    let mut before: BTreeMap<usize, &Sight> = BTreeMap::new();
    let fold = |mut snapshot: Snapshot, entries: &[Entry]| {
        for entry in entries {
            folds(&mut snapshot, entry);
        }
        snapshot
    };
    for sight in sights {
        let nothing = Snapshot { reader: sight.loaded.reader, ..Snapshot::default() };
        let same = |who: &str, held: Snapshot| same(who, &held.at(sight.at), &sight.loaded);
        let follower = fold(followers.remove(&sight.place).unwrap_or(nothing.clone()), &sight.heard);
        same("the follower", follower.clone())?;
        followers.insert(sight.place, follower);
        same("who replays the log", fold(nothing, &sight.log))?;
        if let Some(before) = before.insert(sight.place, sight) {
            let again = &sight.log[before.log.len().saturating_sub(OVERLAP)..];
            same("who loaded earlier", fold(before.loaded.clone(), again))?;
        }
    }
    Ok(())
}

fn same(who: &str, held: &Snapshot, loaded: &Snapshot) -> Result<(), String> {
    if held == loaded {
        return Ok(());
    }
    let differing = held.messages.iter().zip(&loaded.messages).find(|(held, loaded)| held != loaded);
    Err(match differing {
        Some((held, loaded)) => format!("{who} holds\n{held:?}\nbut\n{loaded:?}\nis loaded"),
        None => format!("{who} holds\n{held:?}\nbut\n{loaded:?}\nis loaded"),
    })
}
