//! What must be true when the storm is over and everybody had time to come to rest.

mod presence;
mod threads;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Conversation, Conversations, Fact, Members, UserFact},
};
use tertulia_messaging::model::place::event_id;
use tertulia_runtime::event::EventId;

use crate::{
    books::{Kept, Says},
    house::House,
    person::{Device, Person},
};

/// Every log, by its owner.
type Logs = BTreeMap<String, Vec<Kept>>;

/// Whether everybody has come to rest: nothing waits, and every client has what its user may read.
pub(crate) fn unrest(house: &House, logs: &Logs, devices: &[&Device]) -> Vec<String> {
    let conversations: Vec<(ConversationId, u64, BTreeSet<UserId>)> = logs
        .iter()
        .filter_map(|(owner, log)| Some((owner.parse().ok()?, log.len() as u64, present(log))))
        .collect();
    let mut unrest = Vec::new();
    if !house.broker.is_empty() {
        unrest.push("events wait on the bus".to_owned());
    }
    for device in devices {
        let (name, memory) = (&device.witness.name, device.witness.memory());
        for (c, head, _) in conversations.iter().filter(|it| it.2.contains(&device.witness.user)) {
            let shown = memory.shown.get(c).copied().unwrap_or(0);
            if !memory.member_of.contains(c) {
                unrest.push(format!("{name} does not know that its user is a member of {c}"));
            } else if shown != *head {
                unrest.push(format!("{name} was shown {shown} of {head} entries of {c}"));
            }
        }
    }
    unrest
}

/// Who has not been told what a lost word may have to tell: the end of their user's log, and who is there.
pub(crate) fn behind(logs: &Logs, devices: &[&Device]) -> Vec<String> {
    let behind = devices.iter().filter_map(|device| {
        let own = logs.get(&device.witness.user.to_string()).map_or(0, Vec::len) as u64;
        let (name, told) = (&device.witness.name, device.witness.memory().useq);
        (told != own).then(|| format!("{name} has {told} of {own} entries of the user's log"))
    });
    behind.chain(presence::unrest(logs, devices)).collect()
}

/// Who is a member at the end of a log.
fn present(log: &[Kept]) -> BTreeSet<UserId> {
    let mut present = BTreeSet::new();
    for fact in log.iter().filter_map(Kept::fact) {
        match fact {
            Fact::MemberJoined { member, .. } => drop(present.insert(member.user_id)),
            Fact::MemberLeft { user_id, .. } => drop(present.remove(user_id)),
            _ => {}
        }
    }
    present
}

/// Whether somebody was no member for a while.
fn ever_left(log: &[Kept], user: UserId) -> bool {
    log.iter()
        .filter_map(Kept::fact)
        .any(|fact| matches!(fact, Fact::MemberLeft { user_id, .. } if *user_id == user))
}

/// Everything that is not as it must be at rest.
pub(crate) async fn faults(house: &House, people: &[Person], devices: &[&Device]) -> Vec<String> {
    let logs = house.books.logs();
    let mut faults = Vec::new();
    let deleted = people.first().map(|person| person.common().deleted.clone()).unwrap_or_default();
    for (owner, log) in &logs {
        judge_log(owner, log, &mut faults);
        time::judge_lasting(house, log, &deleted, &mut faults);
        time::judge_pace(owner, log, &mut faults);
    }
    let lasting = house.books.lasting();
    if lasting > 0 {
        faults.push(format!("{lasting} messages are still to disappear"));
    }
    judge_acks(people, &logs, &mut faults);
    judge_events(house, &logs, &mut faults);
    for person in people {
        judge_own_log(person, &logs, &mut faults);
        let own: Vec<&Device> =
            devices.iter().copied().filter(|device| device.witness.user == person.id).collect();
        judge_places(person, &own, &logs, &mut faults).await;
        presence::judge(house, person, &own, &mut faults).await;
    }
    faults
}

fn judge_log(owner: &str, log: &[Kept], faults: &mut Vec<String>) {
    let (mut names, mut messages) = (BTreeSet::new(), 0);
    for (expected, kept) in (1..).zip(log) {
        if kept.seq != expected {
            faults.push(format!("{owner} has {} where {expected} belongs", kept.seq));
        }
        if let (Some(name), Some(message)) = (kept.name(), kept.message()) {
            messages += u64::from(message.thread_id.is_none());
            if !names.insert(name) {
                faults.push(format!("{name:?} stands twice in {owner}"));
            }
        }
        if kept.messages != messages {
            faults.push(format!("{owner}/{} counts {} messages of {messages}", kept.seq, kept.messages));
        }
    }
}

fn judge_acks(people: &[Person], logs: &Logs, faults: &mut Vec<String>) {
    let Some(first) = people.first() else { return };
    for acked in &first.common().acked {
        let log = logs.get(&acked.conversation.to_string()).map(Vec::as_slice).unwrap_or_default();
        let stands = log.iter().find(|kept| kept.seq == acked.seq).and_then(Kept::name);
        if stands != Some((acked.author, acked.client_id)) {
            faults.push(format!("{acked:?} does not stand where it was said to"));
        }
    }
}

/// Every entry of a conversation was told, always under one name, and nothing else was.
fn judge_events(house: &House, logs: &Logs, faults: &mut Vec<String>) {
    let mut owed: BTreeMap<EventId, (String, u64)> = BTreeMap::new();
    for (owner, log) in logs {
        let Ok(conversation) = owner.parse::<ConversationId>() else { continue };
        owed.extend(
            log.iter().map(|kept| (event_id(kept.at, conversation, kept.seq), (owner.clone(), kept.seq))),
        );
    }
    let mut told: BTreeMap<EventId, String> = BTreeMap::new();
    for event in house.broker.accepted().iter().filter(|event| event.source == "/messaging") {
        if !owed.contains_key(&event.id) {
            faults.push(format!("{} {} was told and is in no log", event.kind, event.id));
        }
        let before = told.insert(event.id, event.kind.clone());
        if before.is_some_and(|before| before != event.kind) {
            faults.push(format!("{} was told as two different things", event.id));
        }
    }
    for (id, (owner, seq)) in owed {
        if !told.contains_key(&id) {
            faults.push(format!("{owner}/{seq} was never told"));
        }
    }
}

/// The last word of the user's log on each conversation is true.
fn judge_own_log(person: &Person, logs: &Logs, faults: &mut Vec<String>) {
    let own = logs.get(&person.id.to_string()).map(Vec::as_slice).unwrap_or_default();
    let mut last = BTreeMap::new();
    for kept in own {
        match &kept.says {
            Says::Own(UserFact::ConversationJoined { conversation_id }) => {
                last.insert(*conversation_id, true);
            }
            Says::Own(UserFact::ConversationLeft { conversation_id }) => {
                last.insert(*conversation_id, false);
            }
            _ => {}
        }
    }
    for (owner, log) in logs {
        let Ok(conversation) = owner.parse::<ConversationId>() else { continue };
        let (is_member, said) = (present(log).contains(&person.id), last.get(&conversation).copied());
        if is_member != said.unwrap_or(false) {
            faults.push(format!(
                "{} is a member of {owner}: {is_member}; their log says {said:?}",
                person.name
            ));
        }
    }
}

/// What the product answers is what the logs say: who belongs where, and what is unread.
async fn judge_places(person: &Person, devices: &[&Device], logs: &Logs, faults: &mut Vec<String>) {
    let listed: Conversations = match person.read("/v1/conversations?limit=200").await {
        Ok(listed) => listed,
        Err(error) => return faults.push(format!("{} cannot list conversations: {error}", person.name)),
    };
    let listed: BTreeMap<String, Conversation> =
        listed.items.into_iter().map(|conversation| (conversation.id.to_string(), conversation)).collect();
    for (owner, log) in logs.iter().filter(|(owner, _)| owner.parse::<ConversationId>().is_ok()) {
        let members = present(log);
        if members.contains(&person.id) != listed.contains_key(owner) {
            faults.push(format!("{} is listed in {owner} wrongly", person.name));
        }
        let Some(conversation) = listed.get(owner) else { continue };
        judge_unread(person, conversation, log, faults);
        threads::judge(person, devices, (conversation.id, log), faults).await;
        match person.read::<Members>(&format!("/v1/conversations/{owner}/members?limit=200")).await {
            Ok(shown) => {
                let shown: BTreeSet<UserId> = shown.items.iter().map(|member| member.user_id).collect();
                if shown != members {
                    faults.push(format!("{owner} shows the members {shown:?}, its log has {members:?}"));
                }
            }
            Err(error) => faults.push(format!("{} cannot list members of {owner}: {error}", person.name)),
        }
    }
}

fn judge_unread(person: &Person, conversation: &Conversation, log: &[Kept], faults: &mut Vec<String>) {
    let (owner, head) = (conversation.id, log.len() as u64);
    let Some(place) = &conversation.membership else {
        return faults.push(format!("{} has no place in {owner}", person.name));
    };
    let posted: Vec<_> =
        log.iter().filter_map(Kept::message).filter(|post| post.thread_id.is_none()).collect();
    let own = posted.iter().filter(|post| post.author_id == person.id);
    let read = own.map(|post| post.seq).max().unwrap_or(0).max(place.cursor_seq);
    let unread = posted.iter().filter(|post| post.seq > read).count() as u64;
    if (place.unread, conversation.head_seq) != (unread, head) {
        let (said, said_head) = (place.unread, conversation.head_seq);
        faults.push(format!(
            "{owner} says {said} unread at {said_head} to {}; {unread} at {head} are",
            person.name
        ));
    }
    let read = person
        .common()
        .read
        .iter()
        .filter(|(c, user, _)| (*c, *user) == (owner, person.id))
        .map(|it| it.2)
        .max();
    if read.is_some_and(|read| read > place.cursor_seq) {
        faults.push(format!(
            "the cursor of {} in {owner} went back from {read:?} to {}",
            person.name, place.cursor_seq
        ));
    }
}
