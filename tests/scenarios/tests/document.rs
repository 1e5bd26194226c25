//! The product is held against its own `OpenAPI` document: all that it says may be asked is asked, and much that it says may
//! not. No answer is an internal error or one that the document does not know, and nothing that does not fit it is accepted.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;
use tertulia_client::Api;
use tertulia_contracts::{
    ConversationId, MessageId,
    auth::SignedIn,
    messaging::{ConversationKind, CreateConversation, PostMessage},
};
use tertulia_scenarios::system::{Network, System, Topology};
use tertulia_testbed::schemathesis;
use ulid::Ulid;

const PASSWORD: &str = "correct horse battery staple";

/// How much is asked.
struct Measure {
    phases: &'static str,
    examples: usize,
    requests: usize,
}

#[tokio::test]
async fn one_program_is_as_its_document_says() {
    let measure = Measure { phases: "coverage,fuzzing", examples: 40, requests: 10_000 };
    holds(Topology::Single, measure).await.unwrap();
}

#[tokio::test]
async fn many_processes_are_as_their_document_says() {
    let measure = Measure { phases: "coverage", examples: 1, requests: 3_000 };
    holds(Topology::Split, measure).await.unwrap();
}

async fn holds(topology: Topology, measure: Measure) -> Result<()> {
    let system = System::start(topology, Network::Plain).await?;
    let gateway = format!("http://{}", system.gateways[0]);
    let operator = Api::new(&gateway);
    let wish = json!({"handle": "olga", "password": PASSWORD, "setup_token": system.setup_token()?});
    let olga: SignedIn = operator.send(Method::POST, "/v1/accounts", Some(&wish)).await?;
    let again = json!({"identifier": "olga", "password": PASSWORD});
    let again: SignedIn = operator.send(Method::POST, "/v1/sessions", Some(&again)).await?;
    let (conversation, message) = somewhere(&operator.with_token(&olga.access_token)).await?;

    let told = tempfile::NamedTempFile::new()?;
    let run = schemathesis::command()?
        .args(["run", &format!("{gateway}/openapi.json"), "--seed", "1", "--generation-database", "none"])
        .args(["--phases", measure.phases, "--max-examples", &measure.examples.to_string()])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis"))
        .env("TERTULIA_TOKEN", olga.access_token)
        .env("TERTULIA_OTHER_TOKEN", again.access_token)
        .env("TERTULIA_CONVERSATION", conversation.to_string())
        .env("TERTULIA_MESSAGE", message.to_string())
        .env("TERTULIA_STATUSES", told.path())
        .output()
        .await
        .context("running schemathesis")?;
    let said = String::from_utf8_lossy(&run.stdout);
    ensure!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let told = std::fs::read_to_string(told.path())?;
    let statuses: BTreeMap<u16, usize> = serde_json::from_str(&told).context("counting statuses")?;
    println!("{topology:?}: {statuses:?}");
    was_asked(&statuses, measure.requests)
}

/// A conversation and a message in it to be asked about.
async fn somewhere(operator: &Api) -> Result<(ConversationId, MessageId)> {
    let (kind, title) = (ConversationKind::Group, Some("A group".to_owned()));
    let wish = CreateConversation { kind, title, handle: None, visibility: None, members: Vec::new() };
    let conversation = operator.create(&wish).await?.id;
    let posted = operator.post(conversation, &PostMessage::new(Ulid::generate(), "Hello".to_owned())).await?;
    Ok((conversation, posted.message.id))
}

/// Enough was asked, and it was not only sent away.
fn was_asked(statuses: &BTreeMap<u16, usize>, at_least: usize) -> Result<()> {
    let share = |which: &dyn Fn(u16) -> bool| {
        let some: usize = statuses.iter().filter(|(status, _)| which(**status)).map(|(_, count)| count).sum();
        some * 100 / statuses.values().sum::<usize>().max(1)
    };
    ensure!(statuses.values().sum::<usize>() >= at_least, "too little was asked: {statuses:?}");
    ensure!(share(&|status| status == 401 || status == 429) <= 15, "most was sent away: {statuses:?}");
    ensure!(share(&|status| status < 300) >= 5, "hardly anything was done: {statuses:?}");
    Ok(())
}
