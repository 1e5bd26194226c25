//! `tertulia bus dead`: the events that a consumer group gave up on.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tertulia_bus::{DeadLetter, DeadLetterId};
use tertulia_contracts::events::GROUPS;
use tertulia_runtime::Ambient;

use crate::{
    back_ends::{self, DataFolder},
    cli::{DeadCommand, LetterArgs, SettingsArgs},
    control::{self, Answer, Request},
    load,
    settings::{BusBackend, Settings},
};

/// The most letters that are looked through for one.
const SEARCHED: usize = 1_000;

pub(crate) async fn run(command: DeadCommand) -> Result<ExitCode> {
    match command {
        DeadCommand::List { group, limit, settings } => list(group, limit, &settings).await?,
        DeadCommand::Show(args) => println!("{}", serde_json::to_string_pretty(&find(&args).await?)?),
        DeadCommand::Replay(LetterArgs { group, id, settings }) => {
            done(&settings, Request::DeadReplay { group, id: DeadLetterId(id) }).await?;
            println!("It is queued again, behind what waits.");
        }
        DeadCommand::Drop(LetterArgs { group, id, settings }) => {
            done(&settings, Request::DeadDrop { group, id: DeadLetterId(id) }).await?;
            println!("It is gone.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(group: Option<String>, limit: usize, args: &SettingsArgs) -> Result<()> {
    let settings = load(args, &[])?;
    let every = || GROUPS.iter().map(|group| group.name.to_owned()).collect();
    let groups: Vec<String> = group.map_or_else(every, |group| vec![group]);
    let mut count = 0;
    for group in groups {
        for letter in letters(&settings, group, limit).await? {
            count += 1;
            let topic = letter.event().map_or_else(|_| "(unreadable)".to_owned(), |event| event.kind);
            let DeadLetter { id, group, reason, attempts, at, .. } = letter;
            println!("{group}  {}  {at}  {topic}  after {attempts} attempts: {reason}", id.0);
        }
    }
    if count == 0 {
        println!("There are no dead letters.");
    }
    Ok(())
}

async fn find(args: &LetterArgs) -> Result<DeadLetter> {
    let settings = load(&args.settings, &[])?;
    let letters = letters(&settings, args.group.clone(), SEARCHED).await?;
    let found = letters.into_iter().find(|letter| letter.id.0 == args.id);
    found.with_context(|| format!("{} has no dead letter {}", args.group, args.id))
}

async fn letters(settings: &Settings, group: String, limit: usize) -> Result<Vec<DeadLetter>> {
    match ask(settings, Request::DeadList { group, limit }).await? {
        Answer::Letters(letters) => Ok(letters),
        Answer::Failed(reason) => bail!(reason),
        other => bail!("unexpected: {other:?}"),
    }
}

async fn done(args: &SettingsArgs, request: Request) -> Result<()> {
    match ask(&load(args, &[])?, request).await? {
        Answer::Done => Ok(()),
        Answer::Failed(reason) => bail!(reason),
        other => bail!("unexpected: {other:?}"),
    }
}

/// An embedded queue belongs to the process that runs on it, if one does; a broker may be asked by anybody.
async fn ask(settings: &Settings, request: Request) -> Result<Answer> {
    let data = match settings.bus.backend {
        BusBackend::Rabbitmq => None,
        BusBackend::Sqlite => match DataFolder::take(&settings.node.data) {
            Ok(data) => Some(data),
            Err(_) => return control::ask(&settings.node.data, &request).await,
        },
    };
    let bus = back_ends::bus(settings, data.as_ref(), &Ambient::system()).await?;
    Ok(control::perform(&*bus, request).await)
}
