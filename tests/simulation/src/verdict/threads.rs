//! What the product answers about threads is what the log says, and what each client knows by itself.

use std::collections::{BTreeMap, BTreeSet};

use tertulia_contracts::{
    ConversationId, MessageId,
    messaging::{FollowedThread, FollowedThreads, Message},
};

use super::ever_left;
use crate::{
    books::Kept,
    person::{Device, Person},
};

/// The threads of one log: what was posted in each, below which message.
fn threads(log: &[Kept]) -> BTreeMap<MessageId, Vec<&Message>> {
    let mut threads: BTreeMap<MessageId, Vec<&Message>> = BTreeMap::new();
    for comment in log.iter().filter_map(Kept::message) {
        if let Some(thread) = comment.thread_id {
            threads.entry(thread).or_default().push(comment);
        }
    }
    threads
}

/// Judges what somebody who belongs there is shown of the threads that they follow.
pub(super) async fn judge(
    person: &Person,
    devices: &[&Device],
    (c, log): (ConversationId, &[Kept]),
    faults: &mut Vec<String>,
) {
    let path = format!("/v1/conversations/{c}/threads?limit=200");
    let followed = match person.read::<FollowedThreads>(&path).await {
        Ok(followed) => followed.items,
        Err(error) => return faults.push(format!("{} cannot list the threads of {c}: {error}", person.name)),
    };
    let threads = threads(log);
    for thread in &followed {
        let comments = threads.get(&thread.message.id).map(Vec::as_slice).unwrap_or_default();
        judge_one(person, devices, thread, comments, faults);
    }
    let followed: BTreeSet<MessageId> = followed.iter().map(|thread| thread.message.id).collect();
    let all_follow = threads.iter().filter(|(_, comments)| {
        // Who has left follows what they come back to only if they did before.
        comments.iter().any(|comment| comment.author_id == person.id) && !ever_left(log, person.id)
    });
    for (thread, _) in all_follow {
        if !followed.contains(thread) && !person.common().let_go.contains(&(*thread, person.id)) {
            faults
                .push(format!("{} posted in the thread below {thread} and does not follow it", person.name));
        }
    }
    for device in devices {
        let known: BTreeSet<MessageId> = device.witness.memory().follows.keys().copied().collect();
        if !followed.is_subset(&known) {
            faults.push(format!("{} knows of the threads {known:?}, not {followed:?}", device.witness.name));
        }
    }
}

fn judge_one(
    person: &Person,
    devices: &[&Device],
    shown: &FollowedThread,
    comments: &[&Message],
    faults: &mut Vec<String>,
) {
    let (root, name) = (shown.message.id, &person.name);
    let (count, said) =
        (comments.len() as u64, shown.message.thread.as_ref().map_or(0, |thread| thread.messages));
    if count != said {
        faults.push(format!("{count} messages stand in the thread below {root}, which says {said}"));
    }
    let own = comments.iter().filter(|comment| comment.author_id == person.id).map(|comment| comment.seq);
    let read = own.max().unwrap_or(0).max(shown.cursor_seq);
    let unread = comments.iter().filter(|comment| comment.seq > read).count() as u64;
    if shown.unread != unread {
        faults.push(format!("{root} says {} unread in its thread to {name}; {unread} are", shown.unread));
    }
    for device in devices {
        let counted = device.witness.memory().unread_in(root, person.id);
        if counted != unread {
            faults
                .push(format!("{} counts {counted} unread below {root}; {unread} are", device.witness.name));
        }
    }
    let moved = person
        .common()
        .read_threads
        .iter()
        .filter(|it| (it.0, it.1) == (root, person.id))
        .map(|it| it.2)
        .max();
    if moved.is_some_and(|moved| moved > shown.cursor_seq) {
        let cursor = shown.cursor_seq;
        faults.push(format!("the cursor of {name} below {root} went back from {moved:?} to {cursor}"));
    }
}
