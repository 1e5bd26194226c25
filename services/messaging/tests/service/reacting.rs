//! Reactions: counted once, named in part, marked for who reads.

use tertulia_contracts::{
    UserId,
    messaging::{Fact, Message, Messages, Reaction},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group, now, reaction_path, whole_log};

const EMOJI: [&str; 21] = [
    "👍", "👎", "😀", "😂", "🎉", "🚀", "👀", "🙏", "🔥", "💯", "🍀", "🌈", "🎈", "🎂", "🏆", "🐢", "🐙",
    "🦊", "🍕", "🍎", "🥝",
];

async fn react(client: &TestClient, message: &Message, emoji: &str) {
    client.put(&reaction_path(message, emoji), &()).await.expect(204);
}

fn reaction(emoji: &str, users: &[UserId], me: bool) -> Reaction {
    let (emoji, count, user_ids) = (emoji.to_owned(), users.len() as u64, users.to_vec());
    Reaction { emoji, media_id: None, count, user_ids, me }
}

#[tokio::test]
async fn each_person_reacts_with_each_emoji_once() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, group, "Tea?").await;
    react(&bens, &message, "👍").await;
    react(&bens, &message, "👍").await;
    react(&anns, &message, "❤️").await;
    // The same heart, written without its variation selector.
    react(&anns, &message, "❤").await;
    react(&anns, &message, "👍").await;
    let thumbs = |me| reaction("👍", &[ben, ann], me);
    assert_eq!(now(&anns, &message).await.reactions, [thumbs(true), reaction("❤️", &[ann], true)]);
    assert_eq!(now(&bens, &message).await.reactions, [thumbs(true), reaction("❤️", &[ann], false)]);
    for _ in 0..2 {
        bens.delete(&reaction_path(&message, "👍")).await.expect(204);
    }
    bens.delete(&reaction_path(&message, "🎉")).await.expect(204);
    assert_eq!(now(&bens, &message).await.reactions[0], reaction("👍", &[ann], false));
    anns.delete(&reaction_path(&message, "👍")).await.expect(204);
    react(&bens, &message, "👍").await;
    let hearts_first = [reaction("❤️", &[ann], false), reaction("👍", &[ben], true)];
    assert_eq!(now(&bens, &message).await.reactions, hearts_first, "what was gone comes last");

    let log = whole_log(&anns, group).await;
    let facts: Vec<&str> = log[4..]
        .iter()
        .map(|entry| match &entry.e {
            Fact::ReactionSet { .. } => "set",
            Fact::ReactionRemoved { .. } => "removed",
            _ => "else",
        })
        .collect();
    assert_eq!(facts, ["set", "set", "set", "removed", "removed", "set"]);
}

#[tokio::test]
async fn a_message_has_at_most_twenty_different_reactions() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, group, "Tea?").await;
    for emoji in &EMOJI[..20] {
        react(&anns, &message, emoji).await;
    }
    let refused = bens.put(&reaction_path(&message, EMOJI[20]), &()).await.expect(409);
    assert_eq!(refused.code(), "too_many_reactions");
    // One that is there already takes no room, and one that goes makes room.
    react(&bens, &message, EMOJI[7]).await;
    anns.delete(&reaction_path(&message, EMOJI[0])).await.expect(204);
    react(&bens, &message, EMOJI[20]).await;
    assert_eq!(now(&bens, &message).await.reactions.len(), 20);
}

#[tokio::test]
async fn reactions_of_a_crowd_are_committed_together_counted_and_named_in_part() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let users: Vec<UserId> = (0..50).map(|_| house.user()).collect();
    let anns = house.client(&one, house.user());
    let group = make_group(&anns, &users).await;
    let message = house.post(&anns, group, "Tea?").await;
    let clients: Vec<TestClient> = users
        .iter()
        .enumerate()
        .map(|(index, user)| house.client(if index % 2 == 0 { &one } else { &other }, *user))
        .collect();
    futures_util::future::join_all(clients.iter().map(|client| react(client, &message, "👍"))).await;
    let shown = now(&anns, &message).await.reactions.remove(0);
    assert_eq!((shown.count, shown.user_ids.len(), shown.me), (50, 10, false));
    // Everybody knows of themselves, named or not.
    for client in &clients {
        let page: Messages =
            client.get(&format!("/v1/conversations/{group}/messages")).await.expect(200).read();
        assert!(page.items[0].reactions[0].me);
    }
    let log = whole_log(&anns, group).await;
    assert_eq!(log.iter().filter(|entry| matches!(entry.e, Fact::ReactionSet { .. })).count(), 50);

    // One more costs what the first cost, however many there are: one document each, or two when the relay comes by in
    // the same moment and tries the same.
    let cost = |collection| one.store.commits(collection);
    let before = (cost("reactions"), cost("conversations"), cost("members"));
    react(&anns, &message, "👍").await;
    let after = (cost("reactions"), cost("conversations"), cost("members"));
    assert!((1..=2).contains(&(after.0 - before.0)) && (1..=2).contains(&(after.1 - before.1)), "{after:?}");
    assert_eq!(after.2, before.2);
}
