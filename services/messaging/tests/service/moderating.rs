//! Bans and mutes: who is kept out or silent, until when, and who learns why.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tertulia_bus::Bus;
use tertulia_contracts::{
    ConversationId, UserId,
    live::{Control, control_channel},
    messaging::{Act, Fact, Members, ModerationLog, Sanction, Sanctions, UserFact, UserLog},
};
use tertulia_messaging::model::snapshot::Snapshot;
use tertulia_runtime::{
    Timestamp,
    testkit::{TestClient, eventually},
};

use crate::{
    harness::{DEADLINE, House, make, make_group, message_path, reaction_path, reason, whole_log},
    live::hear,
    replay::{Asked, Dice},
};

fn sanction_path(conversation: ConversationId, kind: &str, user: UserId) -> String {
    format!("/v1/conversations/{conversation}/{kind}/{user}")
}

async fn sanctions(client: &TestClient, conversation: ConversationId, kind: &str) -> Vec<Sanction> {
    let page = client.get(&format!("/v1/conversations/{conversation}/{kind}")).await;
    page.expect(200).read::<Sanctions>().items
}

async fn acts(client: &TestClient, conversation: ConversationId) -> Vec<Act> {
    let page = client.get(&format!("/v1/conversations/{conversation}/moderation-log?limit=200")).await;
    page.expect(200).read::<ModerationLog>().items
}

/// Waits until somebody's own log says this, and tells all that it says then.
async fn told(client: &TestClient, fact: UserFact) -> Vec<UserFact> {
    eventually(DEADLINE, || async {
        let log: UserLog = client.get("/v1/me/log").await.expect(200).read();
        let facts: Vec<UserFact> = log.items.into_iter().map(|entry| entry.e).collect();
        facts.contains(&fact).then_some(facts)
    })
    .await
}

async fn post(house: &House, client: &TestClient, conversation: ConversationId) -> Result<(), (u16, Value)> {
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    let answer = client.post(&format!("/v1/conversations/{conversation}/messages"), &post).await;
    let status = answer.status.as_u16();
    if status == 201 { Ok(()) } else { Err((status, answer.read())) }
}

async fn public_channel(client: &TestClient, members: &[UserId]) -> ConversationId {
    let request = json!({"kind": "channel", "title": "News", "visibility": "public", "members": members});
    make(client, request).await.id
}

#[tokio::test]
async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_over() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let channel = public_channel(&anns, &[ben, cid]).await;
    let bens_place = format!("/v1/conversations/{channel}/members/{ben}");
    let until = house.ambient.now().plus(Duration::from_mins(1));
    let ear = house.bus.listen().await.unwrap();
    ear.join(&control_channel(ben)).await.unwrap();
    let ban = json!({"until": until, "reason": "Spam, three times"});
    for _ in 0..2 {
        anns.put(&sanction_path(channel, "bans", ben), &ban).await.expect(204);
    }
    // His sockets hear at once that they hear no more.
    let (_, payload) = hear(&*ear).await;
    let control: Control = serde_json::from_slice(&payload).unwrap();
    assert_eq!(control, Control::AccessLost { conversation_id: channel });

    // He may find it, and nothing else.
    bens.get(&format!("/v1/conversations/{channel}")).await.expect(200);
    for rest in ["log", "messages", "members"] {
        let refused = bens.get(&format!("/v1/conversations/{channel}/{rest}")).await.expect(403);
        assert_eq!(reason(&refused.read()), "banned", "{rest}");
    }
    assert_eq!(reason(&bens.put(&bens_place, &()).await.expect(403).read()), "banned");
    assert_eq!(anns.put(&bens_place, &()).await.expect(409).code(), "user_banned");
    let page: Members = anns.get(&format!("/v1/conversations/{channel}/members")).await.expect(200).read();
    assert!(page.items.iter().all(|member| member.user_id != ben));
    let at = house.ambient.now();
    let why = Some("Spam, three times".to_owned());
    let listed = Sanction { user_id: ben, until: Some(until), by: ann, at, reason: why.clone() };
    assert_eq!(sanctions(&anns, channel, "bans").await, [listed]);

    // The log says that, and not why; he learns why.
    let log = whole_log(&anns, channel).await;
    let fact = Fact::MemberBanned { user_id: ben, was_member: true, until: Some(until), by: ann, at };
    assert_eq!((log.len(), &log[4].e), (5, &fact), "asked for twice, it is done once");
    assert!(!anns.get(&format!("/v1/conversations/{channel}/log")).await.text().contains("Spam"));
    let banned = UserFact::ConversationBanned { conversation_id: channel, until: Some(until), reason: why };
    told(&bens, banned).await;
    assert!(service.bus.published().iter().all(|event| !event.data.get().contains("Spam")));

    // A moment before its end it counts, at its end it does not, and nobody had to lift it.
    house.clock.advance(Duration::from_millis(59_999));
    bens.put(&bens_place, &()).await.expect(403);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(sanctions(&anns, channel, "bans").await, []);
    bens.put(&bens_place, &()).await.expect(200);
    anns.delete(&sanction_path(channel, "bans", ben)).await.expect(204);
    assert_eq!(whole_log(&anns, channel).await.len(), 6, "what is over needs no lifting");
}

#[tokio::test]
async fn somebody_who_never_was_a_member_can_be_banned_and_let_in_again() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, eve] = [(); 2].map(|()| house.user());
    let [anns, eves] = [ann, eve].map(|user| house.client(&service, user));
    let (channel, group) = (public_channel(&anns, &[]).await, make_group(&anns, &[]).await);
    let nobody: UserId = house.ambient.ids.next();
    let unknown = anns.put(&sanction_path(group, "bans", nobody), &()).await.expect(422);
    assert_eq!(unknown.wrong_fields(), ["user_id"]);
    for id in [group, channel] {
        anns.put(&sanction_path(id, "bans", eve), &()).await.expect(204);
        let place = format!("/v1/conversations/{id}/members/{eve}");
        assert_eq!(anns.put(&place, &()).await.expect(409).code(), "user_banned");
    }
    assert_eq!(
        reason(&eves.get(&format!("/v1/conversations/{channel}/log")).await.expect(403).read()),
        "banned"
    );
    // Of the private one she learns nothing, neither by asking nor by being told.
    assert_eq!(
        eves.get(&format!("/v1/conversations/{group}")).await.expect(404).code(),
        "conversation_not_found"
    );
    let of = |id| UserFact::ConversationBanned { conversation_id: id, until: None, reason: None };
    assert_eq!(told(&eves, of(channel)).await, [of(channel)]);
    for _ in 0..2 {
        anns.delete(&sanction_path(channel, "bans", eve)).await.expect(204);
    }
    eves.get(&format!("/v1/conversations/{channel}/log")).await.expect(200);
    eves.put(&format!("/v1/conversations/{channel}/members/{eve}"), &()).await.expect(200);
    let joined = UserFact::ConversationJoined { conversation_id: channel };
    let unbanned = UserFact::ConversationUnbanned { conversation_id: channel };
    assert_eq!(told(&eves, joined.clone()).await, [UserFact::Superseded {}, unbanned, joined]);
    assert_eq!(whole_log(&anns, channel).await.len(), 5);
}

#[tokio::test]
async fn who_is_muted_reads_and_does_not_write_until_the_mute_is_over() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben] = [(); 2].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    let own = house.post(&bens, group, "Mine").await;
    let until = house.ambient.now().plus(Duration::from_secs(10));
    let mute = json!({"until": until, "reason": "Cool down"});
    anns.put(&sanction_path(group, "mutes", ben), &mute).await.expect(204);
    let (status, problem) = post(&house, &bens, group).await.unwrap_err();
    assert_eq!((status, reason(&problem).as_str()), (403, "muted"));
    let edit = json!({"body": "Other"});
    assert_eq!(reason(&bens.patch(&message_path(&own), &edit).await.expect(403).read()), "muted");
    assert_eq!(reason(&bens.put(&reaction_path(&own, "👍"), &()).await.expect(403).read()), "muted");
    whole_log(&bens, group).await;
    let reason = Some("Cool down".to_owned());
    told(&bens, UserFact::ConversationMuted { conversation_id: group, until: Some(until), reason }).await;
    // It outlasts leaving and coming back.
    bens.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);
    anns.put(&format!("/v1/conversations/{group}/members/{ben}"), &()).await.expect(200);
    post(&house, &bens, group).await.unwrap_err();
    house.clock.advance(Duration::from_millis(9_999));
    post(&house, &bens, group).await.unwrap_err();
    house.clock.advance(Duration::from_millis(1));
    post(&house, &bens, group).await.unwrap();

    // For good, and lifted.
    anns.put(&sanction_path(group, "mutes", ben), &()).await.expect(204);
    house.clock.advance(Duration::from_hours(1_000));
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    post(&house, &bens, group).await.unwrap_err();
    anns.delete(&format!("{}?reason=Enough", sanction_path(group, "mutes", ben))).await.expect(204);
    post(&house, &bens, group).await.unwrap();
    told(&bens, UserFact::ConversationUnmuted { conversation_id: group }).await;
}

#[tokio::test]
async fn nobody_restricts_themselves_an_equal_or_a_superior() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, dan] = [(); 4].map(|()| house.user());
    let [anns, bens, dans] = [ann, ben, dan].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid, dan]).await;
    for moderator in [ben, cid] {
        let place = format!("/v1/conversations/{group}/members/{moderator}");
        anns.put(&place, &json!({"role": "moderator"})).await.expect(200);
    }
    let before = whole_log(&anns, group).await.len();
    for kind in ["bans", "mutes"] {
        for (client, user, why) in [
            (&bens, ben, "outranked"),
            (&bens, cid, "outranked"),
            (&bens, ann, "outranked"),
            (&anns, ann, "outranked"),
            (&dans, ben, "role_lacks_it"),
        ] {
            let path = sanction_path(group, kind, user);
            assert_eq!(reason(&client.put(&path, &()).await.expect(403).read()), why, "{kind}");
            assert_eq!(reason(&client.delete(&path).await.expect(403).read()), why, "{kind}");
        }
        let refused = dans.get(&format!("/v1/conversations/{group}/{kind}")).await.expect(403);
        assert_eq!(reason(&refused.read()), "role_lacks_it");
    }
    dans.get(&format!("/v1/conversations/{group}/moderation-log")).await.expect(403);
    // A term that is over is none, and a reason has its bound.
    let path = sanction_path(group, "mutes", dan);
    let now = house.ambient.now();
    assert_eq!(bens.put(&path, &json!({"until": now})).await.expect(422).wrong_fields(), ["until"]);
    let long = json!({"reason": "x".repeat(501)});
    assert_eq!(bens.put(&path, &long).await.expect(422).wrong_fields(), ["reason"]);
    assert_eq!(whole_log(&anns, group).await.len(), before);
    bens.put(&path, &json!({"reason": "x".repeat(500)})).await.expect(204);
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let refused = anns.put(&sanction_path(direct, "bans", ben), &()).await.expect(403);
    assert_eq!(reason(&refused.read()), "kind_forbids");
}

#[tokio::test]
async fn what_was_done_stands_in_the_moderation_log_newest_first_with_its_reasons() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid]).await;
    let (mine, theirs) = (house.post(&bens, group, "Mine").await, house.post(&bens, group, "Bad").await);
    let members = format!("/v1/conversations/{group}/members");
    bens.delete(&message_path(&mine)).await.expect(204);
    anns.delete(&message_path(&theirs)).await.expect(204);
    anns.put(&format!("{members}/{cid}"), &json!({"role": "moderator"})).await.expect(200);
    anns.delete(&format!("{members}/{cid}?reason=Idle%20hands")).await.expect(204);
    anns.put(&sanction_path(group, "mutes", ben), &json!({"reason": "Loud"})).await.expect(204);
    anns.delete(&sanction_path(group, "mutes", ben)).await.expect(204);
    bens.delete(&format!("{members}/{ben}")).await.expect(204);
    let at = house.ambient.now();
    let said = |reason: &str| Some(reason.to_owned());
    let expected = [
        (12, ben, None, None),
        (11, ben, said("Loud"), None),
        (10, cid, said("Idle hands"), Some(Fact::MemberLeft { user_id: cid, by: ann, at })),
        (9, cid, None, None),
        (8, ben, None, None),
    ];
    let listed = acts(&anns, group).await;
    // Leaving, and deleting what one wrote, are nobody's business.
    let found: Vec<_> =
        listed.iter().map(|act| (act.seq, act.user_id.unwrap(), act.reason.clone())).collect();
    let wanted: Vec<_> =
        expected.iter().map(|(seq, user, reason, _)| (*seq, *user, reason.clone())).collect();
    assert_eq!(found, wanted);
    assert_eq!(Some(&listed[2].e), expected[2].3.as_ref());

    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut path = format!("/v1/conversations/{group}/moderation-log?limit=2");
    loop {
        let page: ModerationLog = anns.get(&path).await.expect(200).read();
        paged.extend(page.items);
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/conversations/{group}/moderation-log?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, listed);
}

#[tokio::test]
async fn bans_are_listed_by_their_end_page_by_page() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let mut expected = Vec::new();
    for seconds in [30, 10, 20, 0] {
        let user = house.user();
        let until = (seconds > 0).then(|| house.ambient.now().plus(Duration::from_secs(seconds)));
        anns.put(&sanction_path(group, "bans", user), &json!({"until": until})).await.expect(204);
        expected.push((until.is_none(), until, user));
    }
    expected.sort_unstable();
    house.clock.advance(Duration::from_secs(10));
    let mut found = Vec::new();
    let mut path = format!("/v1/conversations/{group}/bans?limit=1");
    loop {
        let page: Sanctions = anns.get(&path).await.expect(200).read();
        found.extend(page.items.into_iter().map(|item| (item.until.is_none(), item.until, item.user_id)));
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/conversations/{group}/bans?limit=1&cursor={cursor}");
    }
    assert_eq!(found, expected[1..], "the first is over");
}

#[tokio::test]
async fn who_was_muted_or_banned_through_one_service_does_not_write_through_another() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    // Now the other service's writer remembers that nothing is against Ben.
    house.post(&bens, group, "Hello").await;
    anns.put(&sanction_path(group, "mutes", ben), &()).await.expect(204);
    let (status, problem) = post(&house, &bens, group).await.unwrap_err();
    assert_eq!((status, reason(&problem).as_str()), (403, "muted"));
    anns.delete(&sanction_path(group, "mutes", ben)).await.expect(204);
    house.post(&bens, group, "Again").await;
    anns.put(&sanction_path(group, "bans", ben), &()).await.expect(204);
    assert_eq!(post(&house, &bens, group).await.unwrap_err().0, 404);
}

#[tokio::test]
async fn whoever_races_a_ban_is_in_before_it_or_not_at_all() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let ann = house.user();
    let anns = house.client(&one, ann);
    for _ in 0..8 {
        let channel = public_channel(&anns, &[]).await;
        let eve = house.user();
        let eves = house.client(&other, eve);
        let (ban, place) =
            (sanction_path(channel, "bans", eve), format!("/v1/conversations/{channel}/members/{eve}"));
        let (banned, joined) = tokio::join!(anns.put(&ban, &()), eves.put(&place, &()));
        banned.expect(204);
        // Who joined and was banned before the answer was made up is told that they are no member.
        assert!([200, 403, 404].contains(&joined.status.as_u16()), "{}", joined.text());
        let log = whole_log(&anns, channel).await;
        assert!(
            matches!(log.last().unwrap().e, Fact::MemberBanned { .. }),
            "nothing of hers comes behind it"
        );
        let page: Members =
            anns.get(&format!("/v1/conversations/{channel}/members")).await.expect(200).read();
        assert_eq!(page.items.len(), 1);
    }
}

#[tokio::test]
async fn a_ban_that_was_written_but_not_applied_counts_for_whoever_comes_next() {
    let house = House::open().await;
    let (dying, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&dying, ann), house.client(&other, ben));
    let channel = public_channel(&anns, &[ben]).await;
    dying.store.break_commits();
    anns.put(&sanction_path(channel, "bans", ben), &json!({"reason": "Out"})).await.expect(204);
    let refused =
        bens.send(Method::GET, &format!("/v1/conversations/{channel}/log"), None, "").await.expect(403);
    assert_eq!(reason(&refused.read()), "banned");
    dying.store.mend();
    assert_eq!(sanctions(&anns, channel, "bans").await[0].reason.as_deref(), Some("Out"));
}

/// A ban or a mute. What there is is lifted before there is more of it.
pub(crate) fn restriction_deed(
    dice: &mut Dice,
    path: &str,
    boss: usize,
    subject: UserId,
    follower: &Snapshot,
    now: Timestamp,
) -> Asked {
    let (kind, terms) = if dice.roll(2) == 0 { ("bans", &follower.bans) } else { ("mutes", &follower.mutes) };
    if let Some((whose, _)) = terms.iter().find(|(_, term)| term.lasts(now)) {
        return (boss, Method::DELETE, format!("{path}/{kind}/{whose}"), Value::Null);
    }
    let soon = now.plus(Duration::from_millis(30));
    let body = if dice.roll(2) == 0 { json!({"until": soon}) } else { json!({"reason": "Noise"}) };
    (boss, Method::PUT, format!("{path}/{kind}/{subject}"), body)
}
