//! A troublemaker is reported, muted, purged and banned.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{ApiError, Journal as ClientJournal, Session, Timeline};
use tertulia_contracts::{
    ConversationId,
    messaging::{
        ConversationKind, Fact, MAX_PAGE, ModerationLog, PostMessage, Purged, Report, UserFact, Verdict,
    },
};
use tertulia_runtime::testkit::eventually_true;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

/// Hears and forgets.
struct Silent;

impl ClientJournal for Silent {
    fn acked(&self, _: ConversationId, _: Ulid, _: u64) {}
    fn shown(&self, _: ConversationId, _: u64, _: &Fact) {}
}

/// Bea reports what Max writes; Ana mutes him, deletes all of it, decides, and bans him: he is out, learns why, and
/// nothing is left of what he said. All through another gateway than the one before.
pub(super) async fn a_troublemaker_is_dealt_with(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let max = Person::sign_up(system, 0, "max", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea, &max]).await?;
    let path = format!("/v1/conversations/{chat}");
    let online = Session::start(max.api.clone(), max.gateways.clone(), Timeline::default(), Arc::new(Silent));
    online.open(chat, Some(0)).await;

    let mut noise = Vec::new();
    for number in 0..5 {
        noise.push(say(&max, chat, &format!("NOISE {number}")).await?);
    }
    let about = json!({"message_id": noise[0], "category": "spam", "note": "Five in a row"});
    let filed: Report = bea.api.send(Method::POST, &format!("{path}/reports"), Some(&about)).await?;
    let again: Report = bea.api.send(Method::POST, &format!("{path}/reports"), Some(&about)).await?;
    ensure!(filed == again && filed.user_id == max.id(), "{filed:?}, then {again:?}");

    let elsewhere = ana.api.at(&ana.gateways[1 % ana.gateways.len()]);
    let reason = json!({"reason": "Noise"});
    for api in [&ana.api, &elsewhere] {
        let muted: Value =
            api.send(Method::PUT, &format!("{path}/mutes/{}", max.id()), Some(&reason)).await?;
        ensure!(muted.is_null(), "{muted}");
    }
    let refused = say(&max, chat, "NOISE again").await.err().context("a muted person writes")?;
    ensure!(refused.to_string().contains("muted"), "{refused:#}");

    let purge = format!("{path}/members/{}/purge", max.id());
    let purged: Purged = elsewhere.send(Method::POST, &purge, Some(&reason)).await?;
    ensure!((purged.deleted, purged.more) == (5, false), "{purged:?}");
    let again: Purged = ana.api.send(Method::POST, &purge, Some(&reason)).await?;
    ensure!(again.deleted == 0, "{again:?}");
    let log = serde_json::to_string(&bea.api.log(chat, 0, MAX_PAGE).await?)?;
    ensure!(!log.contains("NOISE") && !log.contains("Noise"), "{log}");

    let decision = format!("{path}/reports/{}/decision", filed.id);
    let acted: Report = ana.api.send(Method::POST, &decision, Some(&json!({"decision": "acted"}))).await?;
    ensure!(acted.decision == Some(Verdict::Acted), "{acted:?}");
    let ban = format!("{path}/bans/{}", max.id());
    let _: Value = elsewhere.send(Method::PUT, &ban, Some(&reason)).await?;

    is_out_and_knows_why(&max, &bea, chat, &filed).await?;
    let back: Result<Value, ApiError> = ana.api.put_member(chat, max.id()).await;
    ensure!(back.as_ref().err().and_then(ApiError::code) == Some("user_banned"), "{back:?}");
    let acts: ModerationLog =
        ana.api.send::<(), _>(Method::GET, &format!("{path}/moderation-log"), None).await?;
    let done: Vec<(Option<&str>, bool)> =
        acts.items.iter().map(|act| (act.reason.as_deref(), act.user_id == Some(max.id()))).collect();
    let noted = (Some("Noise"), true);
    let expected = [&[noted, (None, true)][..], &[noted; 6]].concat();
    ensure!(done == expected, "the ban, the decision, five deletions and the mute: {acts:?}");
    online.end().await;
    Ok(())
}

async fn say(person: &Person, chat: ConversationId, body: &str) -> Result<tertulia_contracts::MessageId> {
    let post = json!({"client_id": Ulid::generate().to_string(), "body": body});
    let post: PostMessage = serde_json::from_value(post)?;
    Ok(person.api.post(chat, &post).await.context("posting")?.message.id)
}

async fn is_out_and_knows_why(
    max: &Person,
    bea: &Person,
    chat: ConversationId,
    report: &Report,
) -> Result<()> {
    let gone = max.api.log(chat, 0, 1).await.err();
    ensure!(gone.as_ref().and_then(ApiError::code) == Some("conversation_not_found"), "{gone:?}");
    let banned =
        UserFact::ConversationBanned { conversation_id: chat, until: None, reason: Some("Noise".to_owned()) };
    let decided =
        UserFact::ReportDecided { conversation_id: chat, report_id: report.id, decision: Verdict::Acted };
    for (person, fact) in [(max, banned), (bea, decided)] {
        let told = async || {
            let log = person.api.my_log(0, MAX_PAGE).await;
            log.is_ok_and(|log| log.items.iter().any(|entry| entry.e == fact))
        };
        eventually_true(PATIENCE, told).await;
    }
    Ok(())
}
