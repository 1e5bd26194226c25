//! What is one's own follows from device to device, and who wants nothing to do with whom.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tertulia_client::{Api, ApiError, EventStream};
use tertulia_contracts::{
    ConversationId,
    frames::ServerFrame,
    messaging::{ConversationKind, CreateConversation, PostMessage, PutDraft, UserFact},
};
use tokio::time::timeout;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// Bea reads on her phone, and her desktop, at another gateway, hears of it at once; what she began to write on the phone is
/// there too. Then she blocks Ana, and neither reaches the other until she takes it back.
pub(super) async fn follows_and_keeps_apart(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Direct, &[&bea]).await?;
    let (phone, desktop) = (bea.api.clone(), bea.api.at(&bea.gateways[1 % bea.gateways.len()]));
    let mut hears = EventStream::open(&desktop, "epoch=1&useq=0", None).await.context("opening a stream")?;
    until(&mut hears, |fact| *fact == UserFact::ConversationJoined { conversation_id: chat }).await?;

    let seq = say(&ana.api, chat, "Hola, Bea").await.context("posting")?;
    ensure!(unread(&desktop, chat).await? == 1);
    phone.move_cursor(chat, seq).await?;
    let read = |fact: &UserFact| matches!(fact, UserFact::PlaceChanged { cursor_seq, unread: 0, .. } if *cursor_seq == seq);
    until(&mut hears, read).await?;
    ensure!(unread(&desktop, chat).await? == 0);

    let words = PutDraft { body: "Querida Ana".to_owned(), reply_to: None, revision: None };
    let put = phone.put_draft(chat, &words).await?.context("it has words")?;
    let changed = UserFact::DraftChanged { conversation_id: chat, revision: Some(put.revision) };
    until(&mut hears, |fact| *fact == changed).await?;
    ensure!(desktop.draft(chat).await? == put);

    phone.block(ana.id()).await?;
    until(&mut hears, |fact| *fact == UserFact::UserBlocked { user_id: ana.id() }).await?;
    for api in [&ana.api, &desktop] {
        let refused = say(api, chat, "¿Estás ahí?").await.err();
        ensure!(refused.as_ref().and_then(ApiError::code) == Some("out_of_reach"), "{refused:?}");
    }
    let group = CreateConversation {
        kind: ConversationKind::Group,
        title: Some("Otra vez".to_owned()),
        handle: None,
        visibility: None,
        members: vec![bea.id()],
    };
    let refused = ana.api.create(&group).await.err();
    ensure!(refused.as_ref().and_then(ApiError::code) == Some("out_of_reach"), "{refused:?}");
    phone.unblock(ana.id()).await?;
    say(&ana.api, chat, "Perdona").await.context("posting again")?;
    Ok(())
}

async fn unread(api: &Api, chat: ConversationId) -> Result<u64> {
    Ok(api.conversation(chat).await?.membership.context("she is a member")?.unread)
}

async fn say(api: &Api, chat: ConversationId, body: &str) -> Result<u64, ApiError> {
    let post = PostMessage::new(Ulid::generate(), body.to_owned());
    Ok(api.post(chat, &post).await?.message.seq)
}

/// Waits until a person's own log says this on their stream.
async fn until(stream: &mut EventStream, is_it: impl Fn(&UserFact) -> bool) -> Result<()> {
    timeout(PATIENCE, async {
        while let Some(frame) = stream.hear().await {
            if let ServerFrame::User { e, .. } = frame?
                && is_it(&serde_json::from_str(e.get())?)
            {
                return Ok(());
            }
        }
        bail!("the stream ended")
    })
    .await
    .context("nothing of it was heard")?
}
