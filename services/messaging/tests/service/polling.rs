//! Polls: counted exactly, secret where they are to be, closed when they are.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Fact, Message, ModerationLog, Poll, Posted, Vote, Votes},
};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::{
    carrying::check_polls,
    harness::{House, make, make_group, message_path, now, reason, whole_log},
};

fn poll(house: &House, more: &Value) -> Value {
    let mut poll = json!({"question": "SECRET lunch?", "options": ["Soup", "Fish", "SECRET cake"]});
    poll.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"client_id": house.client_id(), "poll": poll})
}

async fn send(client: &TestClient, to: ConversationId, post: &Value) -> TestResponse {
    client.post(&format!("/v1/conversations/{to}/messages"), post).await
}

async fn ask(house: &House, client: &TestClient, to: ConversationId, more: Value) -> Message {
    send(client, to, &poll(house, &more)).await.expect(201).read::<Posted>().message
}

async fn vote(client: &TestClient, message: &Message, options: &[u8]) -> TestResponse {
    client.put(&format!("{}/poll/vote", message_path(message)), &json!({"options": options})).await
}

async fn shown(client: &TestClient, message: &Message) -> Poll {
    *now(client, message).await.poll.expect("it asks something")
}

/// The votes for each option, the voters, and the reader's own vote.
async fn counts(client: &TestClient, message: &Message) -> (Vec<u64>, u64, Vec<u8>) {
    let poll = shown(client, message).await;
    (poll.options.iter().map(|option| option.votes).collect(), poll.voters, poll.my_vote)
}

async fn close(client: &TestClient, message: &Message) -> TestResponse {
    client.post(&format!("{}/poll/close", message_path(message)), &Value::Null).await
}

async fn voters(client: &TestClient, message: &Message, query: &str) -> Votes {
    client.get(&format!("{}/poll/votes?{query}", message_path(message))).await.expect(200).read()
}

#[tokio::test]
async fn each_person_has_one_vote_and_may_change_it() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = ask(&house, &anns, group, json!({"multiple": true})).await;
    assert_eq!((message.body.as_str(), counts(&bens, &message).await), ("", (vec![0, 0, 0], 0, vec![])));
    for options in [&[1, 0, 1][..], &[0, 1]] {
        vote(&bens, &message, options).await.expect(204);
    }
    vote(&anns, &message, &[1]).await.expect(204);
    assert_eq!(counts(&bens, &message).await, (vec![1, 2, 0], 2, vec![0, 1]));
    assert_eq!(counts(&anns, &message).await, (vec![1, 2, 0], 2, vec![1]));
    let chosen = voters(&anns, &message, "option=1").await.items;
    let of_ben = Vote { user_id: ben, options: vec![0, 1] };
    assert_eq!(chosen, [of_ben.clone(), Vote { user_id: ann, options: vec![1] }]);
    let page = voters(&anns, &message, "option=1&limit=1").await;
    assert_eq!(page.items, [of_ben]);
    let rest = voters(&anns, &message, &format!("option=1&cursor={}", page.next_cursor.unwrap())).await;
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));

    vote(&bens, &message, &[2]).await.expect(204);
    for _ in 0..2 {
        anns.delete(&format!("{}/poll/vote", message_path(&message))).await.expect(204);
    }
    assert_eq!(counts(&anns, &message).await, (vec![0, 0, 1], 1, vec![]));
    assert_eq!(voters(&anns, &message, "").await.items, []);
    let log = whole_log(&anns, group).await;
    let Fact::PollVoted { votes, voters, by, options, .. } = &log[4].e else { panic!("{:?}", log[4]) };
    assert_eq!((&votes[..], *voters, *by, &options[..]), (&[1, 1, 0][..], 1, Some(ben), &[0, 1][..]));
    assert_eq!(log.len(), 8, "what was so already made no entry");
}

#[tokio::test]
async fn what_is_chosen_in_secret_nobody_learns() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = ask(&house, &anns, group, json!({"anonymous": true})).await;
    vote(&bens, &message, &[1]).await.expect(204);
    vote(&bens, &message, &[2]).await.expect(204);
    assert_eq!(counts(&bens, &message).await, (vec![0, 0, 1], 1, vec![2]), "whoever voted knows what");
    assert_eq!(counts(&anns, &message).await, (vec![0, 0, 1], 1, vec![]));
    let path = format!("{}/poll/votes", message_path(&message));
    for client in [&anns, &bens] {
        assert_eq!(client.get(&path).await.expect(403).code(), "poll_anonymous");
    }
    let log = whole_log(&anns, group).await;
    for entry in &log[4..] {
        let text = serde_json::to_string(entry).unwrap();
        assert!(text.contains("poll.voted") && !text.contains("usr_") && !text.contains("options"), "{text}");
    }
    let told: String =
        service.bus.published().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    assert!(!told.contains("ballot"), "{told}");
    check_polls(&log, &mut [now(&anns, &message).await]).unwrap();
}

#[tokio::test]
async fn nobody_votes_in_what_is_closed_or_over() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cem) = (house.user(), house.user(), house.user());
    let [anns, bens, cems] = [ann, ben, cem].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cem]).await;
    let theirs = ask(&house, &bens, group, json!({})).await;
    vote(&cems, &theirs, &[0]).await.expect(204);
    assert_eq!(reason(&close(&cems, &theirs).await.expect(403).json()), "role_lacks_it");
    close(&bens, &theirs).await.expect(204);
    let before = whole_log(&anns, group).await.len();
    // It is closed already, for everybody who may.
    close(&anns, &theirs).await.expect(204);
    assert_eq!(vote(&anns, &theirs, &[0]).await.expect(409).code(), "poll_closed");
    let back = cems.delete(&format!("{}/poll/vote", message_path(&theirs))).await;
    assert_eq!(back.expect(409).code(), "poll_closed");
    vote(&cems, &theirs, &[0]).await.expect(204);
    assert_eq!(whole_log(&anns, group).await.len(), before);
    assert!(shown(&cems, &theirs).await.closed_at.is_some());

    // Whoever keeps order closes it, too, and that is an act.
    let noisy = ask(&house, &bens, group, json!({})).await;
    close(&anns, &noisy).await.expect(204);
    let acts = anns.get(&format!("/v1/conversations/{group}/moderation-log")).await.expect(200);
    let acts: ModerationLog = acts.read();
    assert_eq!(acts.items.len(), 1);
    assert!(matches!(acts.items[0].e, Fact::PollClosed { by, .. } if by == ann));
    assert_eq!(acts.items[0].user_id, Some(ben));

    // A poll that has an end is over from that moment on, without an entry.
    let end = house.ambient.now().plus(Duration::from_mins(1));
    let post = poll(&house, &json!({"closes_at": end}));
    let timed = send(&anns, group, &post).await.expect(201).read::<Posted>().message;
    house.clock.advance(Duration::from_millis(59_999));
    vote(&bens, &timed, &[0]).await.expect(204);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(vote(&cems, &timed, &[0]).await.expect(409).code(), "poll_closed");
    let before = whole_log(&anns, group).await.len();
    close(&anns, &timed).await.expect(204);
    assert_eq!(whole_log(&anns, group).await.len(), before);
    assert_eq!(shown(&anns, &timed).await.closed_at, None);
    // Sent again after its end it is the same.
    assert_eq!(send(&anns, group, &post).await.expect(200).read::<Posted>().message, timed);
}

#[tokio::test]
async fn a_poll_has_its_bounds_and_its_permissions() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let at = house.ambient.now();
    let texts = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let ahead = Duration::from_hours(366 * 24);
    for (field, fits, breaks) in [
        ("poll.question", json!({"question": "é".repeat(300)}), json!({"question": "é".repeat(301)})),
        ("poll.question", json!({"question": "?"}), json!({"question": " "})),
        ("poll.options", json!({"options": texts(2)}), json!({"options": texts(1)})),
        ("poll.options", json!({"options": texts(12)}), json!({"options": texts(13)})),
        ("poll.options", json!({"options": ["A", "a"]}), json!({"options": ["A", "A "]})),
        (
            "poll.options[1]",
            json!({"options": ["A", "é".repeat(100)]}),
            json!({"options": ["A", "é".repeat(101)]}),
        ),
        ("poll.closes_at", json!({"closes_at": at.plus(Duration::from_millis(1))}), json!({"closes_at": at})),
        (
            "poll.closes_at",
            json!({"closes_at": at.plus(ahead)}),
            json!({"closes_at": at.plus(ahead + Duration::from_millis(1))}),
        ),
        ("poll.colour", json!({}), json!({"colour": "red"})),
    ] {
        send(&anns, group, &poll(&house, &fits)).await.expect(201);
        let refused = send(&anns, group, &poll(&house, &breaks)).await.expect(422);
        assert_eq!(refused.wrong_fields(), [field], "{breaks}");
    }
    let message = ask(&house, &anns, group, json!({})).await;
    for options in [&[3][..], &[0, 1], &[], &[0; 13]] {
        let refused = vote(&bens, &message, options).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["options"], "{options:?}");
    }
    vote(&bens, &message, &[2, 2]).await.expect(204);
    let other =
        json!({"client_id": message.client_id, "poll": {"question": "Else?", "options": ["Soup", "Fish"]}});
    assert_eq!(send(&anns, group, &other).await.expect(409).code(), "client_id_reused");
    assert_eq!(
        anns.get(&format!("{}/poll/votes?option=3", message_path(&message))).await.expect(422).wrong_fields(),
        ["option"]
    );
    let words = house.post(&anns, group, "No poll").await;
    assert_eq!(vote(&bens, &words, &[0]).await.expect(404).code(), "poll_not_found");
    assert_eq!(close(&anns, &words).await.expect(404).code(), "poll_not_found");
    // A poll is not passed on.
    let forward = json!({"client_id": house.client_id(),
        "forward": {"conversation_id": group, "message_id": message.id}});
    assert_eq!(send(&anns, group, &forward).await.expect(422).wrong_fields(), ["forward"]);

    let at = format!("/v1/conversations/{group}");
    anns.put(&format!("{at}/filters"), &json!({"words": ["fish"]})).await.expect(200);
    assert_eq!(send(&bens, group, &poll(&house, &json!({}))).await.expect(422).wrong_fields(), ["poll"]);
    let note = json!({"deny": ["create_poll", "react"]});
    anns.put(&format!("{at}/members/{ben}/override"), &note).await.expect(204);
    let refused = send(&bens, group, &poll(&house, &json!({"options": ["A", "B"]}))).await.expect(403);
    assert_eq!(reason(&refused.json()), "member_denied");
    vote(&bens, &message, &[0]).await.expect(403);
    // Of a public channel a stranger sees the counts, and does not vote.
    let news = make(&anns, json!({"kind": "channel", "title": "News", "visibility": "public"})).await.id;
    let public = ask(&house, &anns, news, json!({})).await;
    assert_eq!(counts(&bens, &public).await.1, 0);
    vote(&bens, &public, &[0]).await.expect(403);
}

#[tokio::test]
async fn a_deleted_poll_leaves_neither_question_nor_answers() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = ask(&house, &anns, group, json!({})).await;
    vote(&bens, &message, &[2]).await.expect(204);
    anns.delete(&message_path(&message)).await.expect(204);
    assert_eq!(now(&bens, &message).await.poll, None);
    for rest in ["messages", "log"] {
        let text = bens.get(&format!("/v1/conversations/{group}/{rest}")).await.expect(200).text();
        assert!(!text.contains("SECRET") && !text.contains("Soup"), "{text}");
    }
    assert_eq!(vote(&bens, &message, &[1]).await.expect(409).code(), "message_deleted");
    assert_eq!(close(&anns, &message).await.expect(409).code(), "message_deleted");
    let listed = anns.get(&format!("{}/poll/votes", message_path(&message))).await;
    assert_eq!(listed.expect(409).code(), "message_deleted");
    bens.delete(&format!("{}/poll/vote", message_path(&message))).await.expect(204);
}

#[tokio::test]
async fn votes_that_come_at_once_through_two_services_are_counted_exactly() {
    for anonymous in [false, true] {
        let house = House::open().await;
        let services = [house.service().await, house.service().await];
        let users: Vec<UserId> = (0..20).map(|_| house.user()).collect();
        let anns = house.client(&services[0], users[0]);
        let group = make_group(&anns, &users[1..]).await;
        let message = ask(&house, &anns, group, json!({"anonymous": anonymous})).await;
        // Each votes three times, through both, and the last one is after the others.
        let all = users.iter().enumerate().map(|(number, user)| {
            let clients =
                [house.client(&services[number % 2], *user), house.client(&services[1 - number % 2], *user)];
            let message = &message;
            async move {
                let both = [vote(&clients[0], message, &[0]), vote(&clients[1], message, &[1])];
                for answer in futures_util::future::join_all(both).await {
                    answer.expect(204);
                }
                vote(&clients[number % 2], message, &[u8::try_from(number % 3).unwrap()]).await.expect(204);
            }
        });
        futures_util::future::join_all(all).await;
        assert_eq!(counts(&anns, &message).await, (vec![7, 7, 6], 20, vec![0]));
        check_polls(&whole_log(&anns, group).await, &mut [now(&anns, &message).await]).unwrap();
    }
}

#[tokio::test]
async fn a_vote_that_was_written_but_not_applied_is_counted_once() {
    let house = House::open().await;
    let (dying, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&dying, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = ask(&house, &anns, group, json!({"anonymous": true})).await;
    dying.store.break_commits();
    vote(&anns, &message, &[1]).await.expect(204);
    assert_eq!(counts(&bens, &message).await.0, [0, 1, 0], "whoever reads applies what is not applied");
    vote(&bens, &message, &[1]).await.expect(204);
    dying.store.mend();
    dying.store.lose_answers();
    vote(&anns, &message, &[2]).await.expect(503);
    dying.store.mend();
    vote(&anns, &message, &[2]).await.expect(204);
    assert_eq!(counts(&anns, &message).await, (vec![0, 1, 1], 2, vec![2]));
    let facts: BTreeMap<bool, usize> =
        whole_log(&anns, group).await.iter().fold(BTreeMap::new(), |mut facts, entry| {
            *facts.entry(matches!(entry.e, Fact::PollVoted { .. })).or_default() += 1;
            facts
        });
    assert_eq!(facts[&true], 3);
}
