//! How `tertulia doctor` and `tertulia bus` reach a running process that owns its files: a Unix socket in the data
//! folder, open to the user who runs it and to nobody else. One request and one answer a connection, each a line of JSON.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use tertulia_bus::{Bus, DeadLetter, DeadLetterId};
use tertulia_runtime::{Supervisor, lifecycle::Health};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

const FILE: &str = "control.sock";
/// The longest request and answer: a page of dead letters is the longest.
const MAX_LINE_BYTES: u64 = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Requests that are answered at one time.
const AT_ONCE: usize = 4;

/// What may be asked of a running process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Request {
    Readiness,
    DeadList { group: String, limit: usize },
    DeadReplay { group: String, id: DeadLetterId },
    DeadDrop { group: String, id: DeadLetterId },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "snake_case")]
pub(crate) enum Answer {
    Readiness(serde_json::Value),
    Letters(Vec<DeadLetter>),
    Done,
    Failed(String),
}

/// Does what is asked about dead letters on a bus at hand.
pub(crate) async fn perform(bus: &dyn Bus, request: Request) -> Answer {
    let outcome = match request {
        Request::Readiness => return Answer::Failed("only a running process knows that".to_owned()),
        Request::DeadList { group, limit } => bus.dead_letters(&group, limit).await.map(Answer::Letters),
        Request::DeadReplay { group, id } => bus.replay(&group, &id).await.map(|()| Answer::Done),
        Request::DeadDrop { group, id } => bus.drop_letter(&group, &id).await.map(|()| Answer::Done),
    };
    outcome.unwrap_or_else(|error| Answer::Failed(error.to_string()))
}

/// Answers on the folder's socket until the supervisor's stage ends.
pub(crate) fn serve(data: &Path, bus: Arc<dyn Bus>, health: Health, supervisor: &Supervisor) -> Result<()> {
    let path = data.join(FILE);
    // The folder is locked by us, so a socket that is there was left by a process that was killed.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .with_context(|| format!("node.data: removing {}", path.display()))?;
    let listener =
        UnixListener::bind(&path).with_context(|| format!("node.data: making {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let (stopping, tasks) = (supervisor.shutdown_token(), supervisor.clone());
    supervisor.spawn("control", async move {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Some(Ok(place)) = stopping.run_until_cancelled(places.clone().acquire_owned()).await else {
                return;
            };
            let Some(Ok((stream, _))) = stopping.run_until_cancelled(listener.accept()).await else { return };
            let (bus, health) = (bus.clone(), health.clone());
            tasks.spawn("control.request", async move {
                // Whoever asked and went away needs no answer.
                let _ = tokio::time::timeout(TIMEOUT, answer(stream, &*bus, &health)).await;
                drop(place);
            });
        }
    });
    Ok(())
}

async fn answer(mut stream: UnixStream, bus: &dyn Bus, health: &Health) -> Result<()> {
    let line = read_line(&mut stream).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Readiness) => Answer::Readiness(serde_json::to_value(health.readiness().await)?),
        Ok(request) => perform(bus, request).await,
        Err(error) => Answer::Failed(format!("not a request: {error}")),
    };
    write_line(&mut stream, &answer).await
}

/// Asks the process that owns this data folder.
pub(crate) async fn ask(data: &Path, request: &Request) -> Result<Answer> {
    let path = data.join(FILE);
    let exchange = async {
        let mut stream = UnixStream::connect(&path).await?;
        write_line(&mut stream, request).await?;
        Ok::<_, anyhow::Error>(serde_json::from_str(&read_line(&mut stream).await?)?)
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await;
    answer
        .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", TIMEOUT.as_secs())))
        .with_context(|| format!("asking the running process at {}", path.display()))
}

async fn read_line(stream: &mut UnixStream) -> Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
    Ok(line)
}

async fn write_line(stream: &mut UnixStream, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(())
}
