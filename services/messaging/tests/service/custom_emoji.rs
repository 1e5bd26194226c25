//! Emoji of a conversation's own: who makes them, where they stand, and what stays when they go.

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, MediaId,
    messaging::{CustomEmojis, EntityKind, Fact, MAX_CUSTOM_EMOJI, Message, ModerationLog, Posted},
};
use tertulia_runtime::testkit::TestClient;

use crate::{
    harness::{House, make, make_group, message_path, now, reaction_path, reason, whole_log},
    replay::{Asked, Dice},
};

/// In a random run, an emoji comes, is another picture, or goes.
pub(crate) fn emoji_deed(dice: &mut Dice, path: &str, boss: usize) -> Asked {
    let address = format!("{path}/emoji/{}", ["party", "blob"][dice.roll(2)]);
    if dice.roll(3) == 0 {
        return (boss, Method::DELETE, address, Value::Null);
    }
    let media = format!("med_01J0000000000000000000000{}", ["A", "B"][dice.roll(2)]);
    (boss, Method::PUT, address, json!({"media_id": media}))
}

fn path(conversation: ConversationId, name: &str) -> String {
    format!("/v1/conversations/{conversation}/emoji/{name}")
}

async fn listed(client: &TestClient, conversation: ConversationId) -> Vec<(String, MediaId)> {
    let emoji = client.get(&format!("/v1/conversations/{conversation}/emoji")).await.expect(200);
    emoji.read::<CustomEmojis>().items.into_iter().map(|emoji| (emoji.name, emoji.media_id)).collect()
}

/// The pictures in a body, with the words for them.
fn pictures(message: &Message) -> Vec<(String, Option<MediaId>)> {
    let units: Vec<u16> = message.body.encode_utf16().collect();
    let emoji = message.entities.iter().filter_map(|entity| match entity.what {
        EntityKind::Emoji { media_id } => {
            let (from, length) = (entity.offset as usize, entity.length as usize);
            Some((String::from_utf16(&units[from..from + length]).unwrap(), media_id))
        }
        _ => None,
    });
    emoji.collect()
}

#[tokio::test]
async fn an_emoji_stands_in_bodies_and_reactions_and_stays_there_when_it_goes() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let [first, second]: [MediaId; 2] = [house.ambient.ids.next(), house.ambient.ids.next()];
    let party = path(group, "party");
    let message = house.post(&anns, group, "Soon :party:").await;
    assert_eq!(message.entities, [], "there is none yet");
    let refused = bens.put(&reaction_path(&message, ":party:"), &()).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["emoji"]);
    for _ in 0..2 {
        anns.put(&party, &json!({"media_id": first})).await.expect(204);
    }
    assert_eq!(listed(&bens, group).await, [("party".to_owned(), first)]);
    let body = ":party::party: at 10:30:45, x:party: `:party:` [:party:](https://a.example) :none: 👍";
    let said = house.post(&bens, group, body).await;
    let own = (":party:".to_owned(), Some(first));
    assert_eq!(pictures(&said), [own.clone(), own.clone(), own.clone(), ("👍".to_owned(), None)]);
    for client in [&anns, &bens] {
        client.put(&reaction_path(&message, ":party:"), &()).await.expect(204);
    }
    let edited: Message =
        anns.patch(&message_path(&message), &json!({"body": "Now :party:"})).await.expect(200).read();
    assert_eq!(pictures(&edited), std::slice::from_ref(&own));

    // Another picture is another from now on; where it stands it stays what it was, and so it does once there is none.
    anns.put(&party, &json!({"media_id": second})).await.expect(204);
    let later = house.post(&anns, group, ":party:").await;
    anns.put(&reaction_path(&later, ":party:"), &()).await.expect(204);
    for _ in 0..2 {
        anns.delete(&party).await.expect(204);
    }
    let reaction = |message: &Message| {
        let reaction = &message.reactions[0];
        (reaction.emoji.clone(), reaction.media_id, reaction.count)
    };
    let (old, new) = (now(&bens, &message).await, now(&bens, &later).await);
    assert_eq!(reaction(&old), (":party:".to_owned(), Some(first), 2));
    assert_eq!(
        (reaction(&new).1, pictures(&new)),
        (Some(second), vec![(":party:".to_owned(), Some(second))])
    );
    assert_eq!(pictures(&old), [own]);
    // Who reacted with it has, or takes it back; nobody does so anew.
    bens.put(&reaction_path(&old, ":party:"), &()).await.expect(204);
    bens.delete(&reaction_path(&old, ":party:")).await.expect(204);
    bens.put(&reaction_path(&old, ":party:"), &()).await.expect(422);
    assert_eq!(reaction(&now(&bens, &old).await).2, 1);
    // What was done stands in the log once, and among what moderators did.
    let log = whole_log(&anns, group).await;
    let told = |fact: &&Fact| matches!(fact, Fact::EmojiPut { .. } | Fact::EmojiRemoved { .. });
    assert_eq!(log.iter().map(|entry| &entry.e).filter(told).count(), 3);
    let acts: ModerationLog =
        anns.get(&format!("/v1/conversations/{group}/moderation-log")).await.expect(200).read();
    assert!(matches!(acts.items[0].e, Fact::EmojiRemoved { .. }) && acts.items.len() == 3);
    // What is passed on says these words and shows no picture of another place.
    let passed = json!({
        "client_id": house.client_id(),
        "forward": {"conversation_id": group, "message_id": later.id},
    });
    let copy = anns.post(&format!("/v1/conversations/{group}/messages"), &passed).await.expect(201);
    assert_eq!(copy.read::<Posted>().message.entities, []);
}

#[tokio::test]
async fn who_may_make_emoji_and_how_many_and_what_they_are_called() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let media: MediaId = house.ambient.ids.next();
    let wish = json!({"media_id": media});
    assert_eq!(reason(&bens.put(&path(group, "party"), &wish).await.expect(403).read()), "role_lacks_it");
    assert_eq!(reason(&bens.delete(&path(group, "party")).await.expect(403).read()), "role_lacks_it");
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    bens.put(&path(direct, "party"), &wish).await.expect(204);
    anns.delete(&path(direct, "party")).await.expect(204);
    for name in ["x", &"x".repeat(33), "Party", "a.b", "a%20b", "gr%C3%B6%C3%9Fe"] {
        assert_eq!(anns.put(&path(group, name), &wish).await.expect(422).wrong_fields(), ["name"], "{name}");
    }
    anns.put(&path(group, "party"), &json!({"media_id": "party.png"})).await.expect(422);
    for name in ["xx".to_owned(), "x".repeat(32), "a_b-1".to_owned()] {
        anns.put(&path(group, &name), &wish).await.expect(204);
    }
    for number in 3..MAX_CUSTOM_EMOJI {
        anns.put(&path(group, &format!("e{number}")), &wish).await.expect(204);
    }
    assert_eq!(anns.put(&path(group, "more"), &wish).await.expect(409).code(), "too_many_emoji");
    let other: MediaId = house.ambient.ids.next();
    anns.put(&path(group, "xx"), &json!({"media_id": other})).await.expect(204);
    anns.delete(&path(group, "e7")).await.expect(204);
    anns.put(&path(group, "more"), &wish).await.expect(204);
    assert_eq!(listed(&bens, group).await.len(), MAX_CUSTOM_EMOJI);
    // Another conversation's are not this one's.
    let elsewhere = make_group(&anns, &[]).await;
    assert_eq!(house.post(&anns, elsewhere, ":more:").await.entities, []);
}
