//! State = replay: who folds the log holds what the snapshots say, after whatever people did.
//!
//! A run is random deeds of five people in three conversations through two services. A follower applies each entry as it
//! comes, as a client that is online does. What it holds is compared with what a fresh client loads, and with what somebody
//! adds up who reads the whole log afterwards. A run is its seed: `REPLAY_SEED=7 cargo test -p tertulia-messaging replay`
//! runs the one that failed again.

use std::{collections::BTreeMap, num::NonZeroU32};

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, RoleId, UserId,
    messaging::{
        Conversation, ConversationKind, CustomEmojis, Entity, EntityKind, Entry, Fact, Log, MadeInvitation,
        MemberRole, Members, Membership, Message, Pins, Roles, Sanctions,
    },
};
use tertulia_messaging::model::{membership::Term, message::Pinned, settings::Settings, snapshot::Snapshot};
use tertulia_runtime::testkit::TestClient;
use tertulia_testbed::{Testbed, secantusdb};

use crate::{
    carrying::{carry, check_polls, poll_deed},
    custom_emoji::emoji_deed,
    custom_roles::role_deed,
    folds::{FOLDS_THAT_ERR, FOLDS_THAT_SKIP, Sight, judge},
    harness::{House, Instance, all_messages, handle_of, make, message_path, reaction_path, whole_log},
    moderating::restriction_deed,
    quoting::check_quotes,
    slow_mode::opening_deed,
};

const DEEDS: usize = 300;
const EMOJI: [&str; 5] = ["👍", "❤️", "🎉", "👩‍⚕️", ":party:"];
/// `SplitMix64` (Steele, Lea and Flood, 2014): a seed's numbers, the same for ever.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides_wide = u64::try_from(sides).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % sides_wide).unwrap()
    }
}

/// Whether a fold takes an entry; a sound one takes all.
/// One conversation as the run knows it.
struct Place {
    id: ConversationId,
    /// Who made it, and never leaves: nobody's deeds are about them. Once they handed it over they are an admin.
    reader: usize,
    posted: Vec<Message>,
    /// What opens it, but for the direct one.
    code: Option<String>,
    /// What somebody holds who is there all the time.
    follower: Snapshot,
    /// What they heard since the last check.
    heard: Vec<Entry>,
    last: u64,
}

struct Run {
    house: House,
    services: [Instance; 2],
    users: Vec<UserId>,
    places: Vec<Place>,
    dice: Dice,
    sights: Vec<Sight>,
    /// What was asked last: some of it is asked again.
    asked: Option<Asked>,
    /// How many calls all checks together counted.
    mentions: u64,
}

/// Who asks, and for what.
pub(crate) type Asked = (usize, Method, String, Value);

impl Run {
    async fn begin(house: House, seed: u64) -> Self {
        let services = [house.service().await, house.service().await];
        let users: Vec<UserId> = (0..5).map(|_| house.user()).collect();
        let mut run = Self {
            house,
            services,
            users,
            places: Vec::new(),
            dice: Dice(seed),
            sights: Vec::new(),
            asked: None,
            mentions: 0,
        };
        // Whose handle messaging has heard of can be mentioned.
        let all = run.users.clone();
        make(&run.client(2, 0), json!({"kind": "group", "title": "All", "members": all})).await;
        let (two, more) = (run.users[1], run.users[1..4].to_vec());
        for (reader, request) in [
            (0, json!({"kind": "group", "title": "T", "members": more})),
            (0, json!({"kind": "direct", "members": [two]})),
            (
                4,
                json!({"kind": "channel", "title": "C", "handle": "news", "visibility": "public", "members": more}),
            ),
        ] {
            let client = run.client(reader, 0);
            let id = make(&client, request).await.id;
            let invited = client.post(&format!("/v1/conversations/{id}/invitations"), &json!({})).await;
            let code = (invited.status == 201).then(|| invited.read::<MadeInvitation>().code);
            let follower = Snapshot::of(run.users[reader]);
            let (posted, heard) = (Vec::new(), Vec::new());
            run.places.push(Place { id, reader, posted, code, follower, heard, last: 0 });
        }
        run
    }

    fn client(&self, user: usize, service: usize) -> TestClient {
        self.house.client(&self.services[service], self.users[user])
    }

    /// Somebody does something somewhere; whether they may is for the service to say. Tells where.
    async fn act(&mut self) -> usize {
        // Now and then they sleep over it, and what disappears has.
        let pause = if self.dice.roll(120) == 0 { 61_000 } else { 1 };
        self.house.clock.advance(std::time::Duration::from_millis(pause));
        let (place, service) = (self.dice.roll(3), self.dice.roll(2));
        let (user, method, path, body) = match self.asked.take() {
            // An answer was lost, or a finger slipped: the same is asked again, perhaps elsewhere.
            Some(again) if self.dice.roll(8) == 0 => again,
            _ => self.deed(place),
        };
        let media_type = (!body.is_null()).then_some("application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.client(user, service).send(method.clone(), &path, media_type, text).await;
        let status = answer.status.as_u16();
        // 422 says that somebody is no member who was to be the owner, or that a term is over that is asked for again.
        let expected = [200, 201, 204, 403, 404, 409].contains(&status);
        let late = ["/owner", "/bans/", "/mutes/", "/roles/", "/override", "/reactions/%3A"].iter().any(|part| path.contains(part))
                // What was to be quoted or passed on says something else by now, or nothing.
                || ["quote", "forward", "poll"].iter().any(|field| !body[field].is_null());
        let slowed = status == 429 && path.ends_with("/messages");
        assert!(expected || slowed || status == 422 && late, "{method} {path}: {}", answer.text());
        if status == 201 && path.ends_with("/messages") {
            let message: Message = serde_json::from_value(answer.json()["message"].clone()).unwrap();
            let place = self.places.iter_mut().find(|place| place.id == message.conversation_id);
            place.unwrap().posted.push(message);
        }
        self.asked = Some((user, method, path, body));
        place
    }

    /// Mostly somebody does what they may, so that much happens; now and then anybody tries anything.
    fn deed(&mut self, place: usize) -> Asked {
        let Place { id, reader, posted, code, follower, .. } = &self.places[place];
        let (dice, path) = (&mut self.dice, format!("/v1/conversations/{id}"));
        let anybody = dice.roll(5);
        let subject = self.users[1 + dice.roll(3)];
        let user_of = |id: UserId| self.users.iter().position(|user| *user == id).expect("one of the five");
        let owning = follower.members.values().find(|member| member.role == MemberRole::Owner);
        let mut fit = |who: usize| if dice.roll(6) == 0 { anybody } else { who };
        let boss = fit(owning.map_or(*reader, |member| user_of(member.user_id)));
        let talker = fit(if *reader == 0 { anybody } else { *reader });
        if let Some(opened) = opening_deed(dice, &path, boss, &follower.settings) {
            return opened;
        }
        let (what, called) = (dice.roll(181), self.users[*reader]);
        if what < 25 || posted.is_empty() {
            let (client_id, body) = (self.house.client_id(), words(dice, called, &self.users));
            let mut post = json!({"client_id": client_id, "body": body, "silent": dice.roll(4) == 0});
            if !posted.is_empty() && dice.roll(3) == 0 {
                let below = &posted[posted.len() - 1 - dice.roll(posted.len().min(6))];
                post["thread_id"] = json!(below.thread_id.unwrap_or(below.id));
                return (anybody, Method::POST, format!("{path}/messages"), post);
            }
            let elsewhere = self.places[dice.roll(3)].posted.iter().rev().nth(dice.roll(6));
            carry(dice, &mut post, &follower.messages, elsewhere, self.house.ambient.now());
            return (talker, Method::POST, format!("{path}/messages"), post);
        }
        // Mostly what was said lately, so that much happens to one message.
        let message = &posted[posted.len() - 1 - dice.roll(posted.len().min(6))];
        let author = if dice.roll(6) == 0 { anybody } else { user_of(message.author_id) };
        let (own, emoji) = (message_path(message), EMOJI[dice.roll(EMOJI.len())]);
        let reacted =
            follower.messages.iter().find(|it| it.id == message.id).and_then(|it| it.reactions.first());
        match what {
            ..45 => (author, Method::PATCH, own, json!({"body": words(dice, called, &self.users)})),
            45..51 => (author, Method::DELETE, own, Value::Null),
            51..68 => (anybody, Method::PUT, reaction_path(message, emoji), Value::Null),
            68..80 => {
                let taken = reacted.map_or(emoji, |reaction| &reaction.emoji);
                let who = reacted.and_then(|reaction| reaction.user_ids.first());
                let who = who.map_or(anybody, |who| user_of(*who));
                (who, Method::DELETE, reaction_path(message, taken), Value::Null)
            }
            80..86 => (boss, Method::PUT, format!("{own}/pin"), Value::Null),
            86..89 => {
                let pinned = follower.pins.first().map_or(message.id, |pin| pin.message_id);
                (boss, Method::DELETE, format!("{path}/messages/{pinned}/pin"), Value::Null)
            }
            89..91 => (boss, Method::PUT, format!("{path}/members/{subject}"), Value::Null),
            91..94 => {
                let role = ["guest", "member", "moderator", "admin"][dice.roll(4)];
                (boss, Method::PUT, format!("{path}/members/{subject}"), json!({"role": role}))
            }
            94..96 => (boss, Method::DELETE, format!("{path}/members/{subject}"), Value::Null),
            96..98 => (boss, Method::POST, format!("{path}/owner"), json!({"user_id": subject})),
            98..101 | 177.. => (boss, Method::PATCH, path, settings(place, dice)),
            101..105 => (boss, Method::PUT, format!("{path}/archive"), Value::Null),
            105..108 => (boss, Method::DELETE, format!("{path}/archive"), Value::Null),
            108..113 => {
                let code = code.as_deref().unwrap_or("none");
                (user_of(subject), Method::POST, format!("/v1/invitations/{code}/accept"), Value::Null)
            }
            169..177 => emoji_deed(dice, &path, boss),
            149..169 => poll_deed(dice, &path, anybody, follower),
            127..149 => role_deed(dice, &path, boss, subject, &follower.roles.shown()),
            113..125 => restriction_deed(dice, &path, boss, subject, follower, self.house.ambient.now()),
            _ => {
                (*reader, Method::PUT, format!("{path}/cursor"), json!({"seq": dice.roll(posted.len() * 2)}))
            }
        }
    }

    /// The follower hears what is new.
    async fn follow(&mut self, place: usize) {
        let client = self.client(self.places[place].reader, 1);
        let place = &mut self.places[place];
        let path = format!("/v1/conversations/{}/log?limit=200&after_seq={}", place.id, place.last);
        let log: Log = client.get(&path).await.expect(200).read();
        log.items.iter().for_each(|entry| place.follower.apply(entry));
        place.heard.extend(log.items);
        place.last = log.head_seq;
    }

    /// Takes down what there is to see, and counts what is counted.
    async fn look(&mut self, index: usize) -> Result<(), String> {
        self.follow(index).await;
        let heard = std::mem::take(&mut self.places[index].heard);
        let place = &self.places[index];
        let (client, reader) = (self.client(place.reader, 0), self.users[place.reader]);
        let mut loaded = loaded(&client, place.id, reader).await;
        let log: Vec<Entry> = whole_log(&client, place.id).await;
        check_quotes(&log, &mut loaded.messages)?;
        check_polls(&log, &mut loaded.messages)?;
        let posted = log.iter().filter(|entry| matches!(entry.e, Fact::MessagePosted { .. })).count();
        let there = loaded.messages.len() + loaded.threads.values().map(Vec::len).sum::<usize>();
        if posted != there {
            return Err(format!("{posted} messages were posted, {there} are there"));
        }
        let path = format!("/v1/conversations/{}", place.id);
        let seen: Conversation = client.get(&path).await.expect(200).read();
        let membership = seen.membership.expect("the reader is a member");
        let carried: Vec<RoleId> = place.follower.roles.carried_by(reader).collect();
        let mentions = calls(&log, reader, (&membership, &carried));
        if mentions != membership.mentions {
            return Err(format!("{mentions} messages call the reader, {} are counted", membership.mentions));
        }
        self.mentions += mentions;
        self.sights.push(Sight { place: index, at: self.house.ambient.now(), heard, log, loaded });
        Ok(())
    }
}

/// Something to say: words, perhaps with something in them; more often than others it calls somebody.
fn words(dice: &mut Dice, called: UserId, users: &[UserId]) -> String {
    let words = format!("Words {}", dice.roll(4));
    match dice.roll(12) {
        10.. => format!("{words} @role-{}, hurry", dice.roll(3)),
        0 => format!("{words} @everyone"),
        1 => format!("{words} @admins and @moderators"),
        2 => format!("{words} `@everyone` 👍 :party: https://example.org/"),
        3..5 => format!("{words} @{}", handle_of(called)),
        5 => format!("{words} @{}", handle_of(users[dice.roll(users.len())])),
        _ => words,
    }
}

/// Counts one by one how many messages call a reader behind what they have read: by their name, by a rank, by a custom role,
/// or as everyone,
/// each since the entry that began to.
fn calls(log: &[Entry], reader: UserId, (membership, carried): (&Membership, &[RoleId])) -> u64 {
    let ways = |entities: &[Entity]| -> Vec<EntityKind> {
        let calls = entities.iter().map(|entity| entity.what.clone()).filter(|what| match what {
            EntityKind::Mention { user_id } => *user_id == reader,
            EntityKind::MentionRole { role } => membership.role >= *role,
            EntityKind::MentionCustomRole { role_id } => carried.contains(role_id),
            what => what.calls_many(),
        });
        // Everyone is everyone, whichever word says so.
        calls
            .map(|what| if what == EntityKind::MentionHere { EntityKind::MentionEveryone } else { what })
            .collect()
    };
    let mut since: BTreeMap<u64, Vec<(EntityKind, u64)>> = BTreeMap::new();
    let mut read = membership.cursor_seq;
    for Entry { seq, e } in log {
        match e {
            // Who comments has not read the conversation.
            Fact::MessagePosted { message } if message.author_id == reader => {
                read = if message.thread_id.is_none() { read.max(*seq) } else { read };
            }
            Fact::MessagePosted { message } => {
                since.insert(*seq, ways(&message.entities).into_iter().map(|way| (way, *seq)).collect());
            }
            Fact::MessageEdited { message_seq, entities, .. } => {
                if let Some(known) = since.get_mut(message_seq) {
                    let begun =
                        |way| known.iter().find(|(other, _)| *other == way).map_or(*seq, |(_, at)| *at);
                    *known = ways(entities).into_iter().map(|way| (way.clone(), begun(way))).collect();
                }
            }
            Fact::MessageDeleted { message_seq, .. } => drop(since.remove(message_seq)),
            _ => {}
        }
    }
    since.values().filter(|ways| ways.iter().any(|(_, since)| *since > read)).count() as u64
}

/// One or two of what can be set.
fn settings(place: usize, dice: &mut Dice) -> Value {
    let title = format!("Title {}", dice.roll(3));
    let description = ["", "What it is about"][dice.roll(2)];
    let tags = [["a", "b"], ["b", "c"]][dice.roll(2)];
    let visibility = ["public", "private", "paid"][dice.roll(3)];
    let comments = ["on", "off"][dice.roll(2)];
    let mut wish = match dice.roll(7) {
        4 => json!({"disappear_after_s": 60}),
        5 => json!({"disappear_after_s": 0}),
        6 => json!({"slow_mode_s": dice.roll(3)}),
        0 => json!({"description": description, "title": title}),
        1 => json!({"tags": tags}),
        2 if place == 2 => json!({"visibility": visibility}),
        _ => json!({"title": title}),
    };
    if place == 2 && dice.roll(2) == 0 {
        wish["comments"] = json!(comments);
    }
    wish
}

/// What the service's documents say to this reader.
async fn loaded(client: &TestClient, id: ConversationId, reader: UserId) -> Snapshot {
    let path = format!("/v1/conversations/{id}");
    let conversation: Conversation = client.get(&path).await.expect(200).read();
    let members: Members = client.get(&format!("{path}/members?limit=200")).await.expect(200).read();
    assert_eq!(conversation.member_count, Some(members.items.len() as u64), "who belongs to it is counted");
    let roles: Roles = client.get(&format!("{path}/roles")).await.expect(200).read();
    let emoji: CustomEmojis = client.get(&format!("{path}/emoji")).await.expect(200).read();
    let pins: Pins = client.get(&format!("{path}/pins")).await.expect(200).read();
    let messages = all_messages(client, &format!("{path}/messages")).await;
    let mut threads = BTreeMap::new();
    for root in messages.iter().filter(|message| message.thread.is_some()) {
        threads.insert(root.seq, all_messages(client, &format!("{}/thread", message_path(root))).await);
    }
    for pin in &pins.items {
        let mut all = messages.iter().chain(threads.values().flatten());
        assert!(all.any(|message| *message == pin.message), "a pin shows the message as it is");
    }
    let terms = async |kind: &str| {
        let answer = client.get(&format!("{path}/{kind}?limit=200")).await;
        // Nobody keeps order among two.
        let page = if answer.status == 403 { None } else { Some(answer.expect(200).read::<Sanctions>()) };
        let items = page.into_iter().flat_map(|page| page.items);
        items.map(|item| (item.user_id, Term { until: item.until })).collect::<BTreeMap<_, _>>()
    };
    Snapshot {
        bans: terms("bans").await,
        mutes: terms("mutes").await,
        reader: Some(reader),
        kind: Some(conversation.kind),
        settings: Settings {
            title: conversation.title,
            description: conversation.description.unwrap_or_default(),
            tags: conversation.tags,
            visibility: Some(conversation.visibility),
            archived_at: conversation.archived_at,
            disappear_after_s: conversation.disappear_after_s,
            slow_mode_s: conversation.slow_mode_s.and_then(NonZeroU32::new),
            comments: conversation.comments.unwrap_or_default(),
        },
        handle: conversation.handle,
        members: members.items.into_iter().map(|member| (member.user_id, member)).collect::<BTreeMap<_, _>>(),
        messages,
        threads,
        roles: (&roles).into(),
        emoji: (&emoji).into(),
        pins: pins.items.into_iter().map(|pin| pinned(&pin)).collect(),
    }
}

fn pinned(pin: &tertulia_contracts::messaging::Pin) -> Pinned {
    let (message_id, message_seq) = (pin.message.id, pin.message.seq);
    Pinned { message_id, message_seq, seq: pin.seq, by: pin.by, at: pin.at }
}

/// A whole run, looked at every so many deeds, in which a sound fold holds what is loaded.
async fn run(house: House, seed: u64, every: usize) -> Run {
    let mut run = Run::begin(house, seed).await;
    for number in 1..=DEEDS {
        let place = run.act().await;
        run.follow(place).await;
        if number % every == 0 || number == DEEDS {
            for place in 0..run.places.len() {
                let counted = run.look(place).await;
                counted.unwrap_or_else(|fault| panic!("REPLAY_SEED={seed}, after deed {number}: {fault}"));
            }
        }
    }
    judge(&run.sights, Snapshot::apply).unwrap_or_else(|fault| panic!("REPLAY_SEED={seed}: {fault}"));
    run
}

fn seeds() -> Vec<u64> {
    let asked = std::env::var("REPLAY_SEED").ok();
    asked.map_or_else(|| (1..=6).collect(), |seed| vec![seed.parse().expect("REPLAY_SEED is a number")])
}

#[tokio::test]
async fn replay_equals_the_snapshot_on_sqlite_and_no_fold_that_skips_anything_does() {
    let mut happened: BTreeMap<String, usize> = BTreeMap::new();
    let (mut mentions, mut between_two, mut entrances) = (0, 0, 0);
    let mut sights: Vec<Vec<Sight>> = Vec::new();
    for seed in seeds() {
        let run = run(House::open().await, seed, 5).await;
        for place in &run.places {
            for entry in whole_log(&run.client(place.reader, 0), place.id).await {
                let fact = serde_json::to_value(&entry.e).unwrap();
                *happened.entry(fact["type"].as_str().unwrap().to_owned()).or_default() += 1;
                entrances += usize::from(fact["invitation_id"].is_string());
            }
        }
        mentions += run.mentions;
        let direct = run.places.iter().find(|place| place.follower.kind == Some(ConversationKind::Direct));
        let said = |all: &Snapshot| all.messages.len() + all.threads.values().map(Vec::len).sum::<usize>();
        between_two += direct.map_or(0, |place| said(&place.follower));
        sights.push(run.sights);
    }
    // Whoever asks for one run asks for that one; of the others, runs in which nothing happened would prove nothing.
    if sights.len() == 1 {
        return;
    }
    for what in [
        "message.edited",
        "message.deleted",
        "reaction.set",
        "reaction.removed",
        "message.pinned",
        "member.banned",
        "member.unbanned",
        "member.muted",
        "member.unmuted",
        "conversation.updated",
        "conversation.archived",
        "conversation.unarchived",
        "poll.voted",
        "poll.closed",
        "emoji.put",
        "emoji.removed",
    ] {
        assert!(happened.contains_key(what), "{what}: {happened:?}");
    }
    assert!(mentions > 20 && between_two > 15, "{mentions} calls, {between_two} between two");
    assert!(entrances > 0, "nobody came in by an invitation");
    // What one run happens not to show, another does.
    for (skipped, takes) in FOLDS_THAT_SKIP {
        let fold = |snapshot: &mut Snapshot, entry: &Entry| {
            if takes(&entry.e) {
                snapshot.apply(entry);
            }
        };
        let caught = sights.iter().any(|sights| judge(sights, fold).is_err());
        assert!(caught, "nobody noticed that a fold skips {skipped}");
    }
    for (errs, fold) in FOLDS_THAT_ERR {
        let caught = sights.iter().any(|sights| judge(sights, fold).is_err());
        assert!(caught, "nobody noticed that a fold {errs}");
    }
}

#[tokio::test]
async fn replay_equals_the_snapshot_on_mongodb() {
    let bed = Testbed::new().unwrap();
    let server = secantusdb::start(&bed).await.unwrap();
    for seed in seeds().into_iter().take(2) {
        let house = House::open_on(Some((server.url().to_owned(), format!("replay_{seed}")))).await;
        run(house, seed, 30).await;
    }
}
