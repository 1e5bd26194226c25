//! What disappears is gone for everybody when its time is over, whatever dies before.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId, MessageId,
    messaging::{ConversationKind, Fact, MAX_PAGE, PostMessage},
};
use tertulia_runtime::{Clock as _, SystemClock, testkit::eventually_true};
use ulid::Ulid;

use crate::{
    heard::Listener,
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// The least there is.
const LASTS: Duration = Duration::from_mins(1);

fn words(said: &str) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::MessagePosted { message } if message.body == said)
}

fn taken(id: MessageId) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::MessageDeleted { message_id, .. } if *message_id == id)
}

/// Ana writes to Bea what lasts for a minute, and changes her mind about its words. Two devices of Bea's show it. Every
/// process that could erase it is killed and started again before its time is over; when it is, nobody is told it any
/// more, and both devices hear that it is gone.
pub(super) async fn gone_for_everybody(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let path = format!("/v1/conversations/{chat}");
    let lasts = json!({"disappear_after_s": LASTS.as_secs()});
    let _: Value = ana.api.send(Method::PATCH, &path, Some(&lasts)).await?;
    let mut devices = Vec::new();
    for turn in 0..2 {
        devices.push(Listener::open(&bea.api, system.gateways_from(turn), chat).await);
    }

    let post = PostMessage::new(Ulid::generate(), "First SECRET".to_owned());
    let message = ana.api.post(chat, &post).await?.message;
    let over = message.expires_at.context("it does not disappear")?;
    ensure!(over == message.created_at.plus(LASTS), "{message:?}");
    ana.api.edit(chat, message.id, "Second SECRET").await?;
    for device in &devices {
        device.was_told(words("First SECRET")).await;
    }
    for shown in [says(&bea.api, chat, message.id).await?, exported(&ana.api, chat).await?] {
        ensure!(shown.contains("Second SECRET"), "{shown}");
    }

    let erases = |name: &str| name == "tertulia" || name.starts_with("messaging-");
    system.kill_and_start_again(erases).await?;
    let back = async || says(&ana.api, chat, message.id).await.is_ok();
    eventually_true(PATIENCE, back).await;
    ensure!(SystemClock.now() < over, "they were not back before its time was over");
    eventually_true(LASTS, async || SystemClock.now() >= over).await;

    // From that very moment: whoever asks first erases it.
    for person in [&bea, &ana] {
        for gateway in &person.gateways {
            let said = says(&person.api.at(gateway), chat, message.id).await?;
            ensure!(!said.contains("SECRET"), "it is over and somebody is told: {said}");
        }
    }
    let export = exported(&ana.api, chat).await?;
    ensure!(!export.contains("SECRET"), "it is over and exported: {export}");
    for device in &devices {
        device.was_told(taken(message.id)).await;
    }
    let late = Listener::open(&bea.api, bea.gateways.clone(), chat).await;
    late.was_told(taken(message.id)).await;
    late.was_told(words("")).await;
    Ok(())
}

/// All that somebody who asks is told of what a message says and said.
async fn says(api: &Api, chat: ConversationId, message: MessageId) -> Result<String> {
    let page = serde_json::to_string(&api.messages(chat, 0, MAX_PAGE).await?)?;
    let log = serde_json::to_string(&api.log(chat, 0, MAX_PAGE).await?)?;
    let history = match api.edits(chat, message).await {
        Ok(history) => serde_json::to_string(&history)?,
        Err(error) => error.to_string(),
    };
    Ok([page, log, history].concat())
}

/// The whole conversation as a file.
async fn exported(api: &Api, chat: ConversationId) -> Result<String> {
    let file = format!("/v1/conversations/{chat}/export");
    api.send_for_text::<()>(Method::GET, &file, None).await.context("exporting")
}
