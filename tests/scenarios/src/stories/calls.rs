//! People call each other, and hear of it wherever they look.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId,
    messaging::{ConversationKind, Entity, EntityKind, MAX_PAGE, Membership, PostMessage},
};
use ulid::Ulid;

use crate::{journal::Journal, person::Person, system::System};

async fn place(api: &Api, chat: ConversationId) -> Result<Membership> {
    api.conversation(chat).await?.membership.context("they are a member")
}

async fn mentions(devices: &[Api], chat: ConversationId) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    for device in devices {
        counts.push(place(device, chat).await?.mentions);
    }
    Ok(counts)
}

/// Ana calls Bea by her name, and once more in an edit; each of Bea's devices counts it, through whichever gateway, until
/// she reads it on one of them. What she sees in the history is what stands in the log.
pub(super) async fn counted_on_every_device(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let devices = [bea.api.clone(), bea.api.at(&bea.gateways[1 % bea.gateways.len()])];
    let handle = &bea.account.handle;
    let say = async |body: String| {
        let post = PostMessage::new(Ulid::generate(), body);
        ana.api.post(chat, &post).await.context("posting")
    };

    let plain = say("Is anybody here?".to_owned()).await?.message;
    let called = say(format!("👍 @{handle}, see `@everyone`")).await?.message;
    let length = u32::try_from(handle.len())? + 1;
    let expected = [
        Entity { offset: 0, length: 2, what: EntityKind::Emoji { media_id: None } },
        Entity { offset: 3, length, what: EntityKind::Mention { user_id: bea.id() } },
        Entity { offset: 3 + length + 6, length: 11, what: EntityKind::Code },
    ];
    ensure!(called.entities == expected, "{:?}", called.entities);
    let history = bea.api.messages(chat, 0, MAX_PAGE).await?.items;
    ensure!(history == [plain.clone(), called.clone()], "{history:?}");

    ensure!(mentions(&devices, chat).await? == [1, 1], "one message calls her");
    let read = devices[0].move_cursor(chat, called.seq).await?;
    ensure!((read.mentions, read.unread) == (0, 0), "{read:?}");
    ensure!(mentions(&devices, chat).await? == [0, 0], "what is read on one device is read on all");
    ana.api.edit(chat, plain.id, &format!("Is @{handle} here?")).await?;
    ensure!(mentions(&devices, chat).await? == [1, 1], "an edit that calls her is news");
    ana.api.delete_message(chat, plain.id).await?;
    ensure!(mentions(&devices, chat).await? == [0, 0], "what is gone calls nobody");
    Ok(())
}
