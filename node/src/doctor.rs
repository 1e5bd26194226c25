//! `tertulia doctor`: opens every back end that is configured, as a node would, and says what is wrong in words.

use std::{fmt::Display, process::ExitCode};

use anyhow::Result;
use tertulia_contracts::routes::role;
use tertulia_documents::Collection;
use tertulia_mail::Mailer as _;
use tertulia_runtime::{Ambient, Supervisor, metrics::Metrics};
use tokio::net::TcpListener;

use crate::{
    back_ends::{self, DataFolder},
    control::{self, Answer, Request},
    settings::{CacheBackend, MailBackend, Settings},
};

/// The services that keep documents, and what they keep.
const STORES: &[(&str, &[Collection])] =
    &[(role::AUTH, tertulia_auth::COLLECTIONS), (role::MESSAGING, tertulia_messaging::COLLECTIONS)];

#[derive(Default)]
struct Report {
    wrong: usize,
}

impl Report {
    fn note<T, E: Display>(&mut self, what: &str, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => {
                println!("ok     {what}");
                Some(value)
            }
            Err(error) => {
                self.wrong += 1;
                println!("WRONG  {what}: {error:#}");
                None
            }
        }
    }
}

pub(crate) async fn run(settings: &Settings) -> Result<ExitCode> {
    let mut report = Report::default();
    match back_ends::data_folder(settings) {
        Ok(data) => examine(settings, data.as_ref(), &mut report).await,
        Err(error) => match control::ask(&settings.node.data, &Request::Readiness).await {
            Ok(answer) => ask_the_living(&answer, &mut report),
            Err(_) => {
                report.note::<(), _>("data folder", Err(error));
            }
        },
    }
    let verdict = match report.wrong {
        0 => "All is well.".to_owned(),
        1 => "One thing is wrong.".to_owned(),
        wrong => format!("{wrong} things are wrong."),
    };
    println!("{verdict}");
    Ok(if report.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nobody runs on the embedded back ends, so they can be opened here.
async fn examine(settings: &Settings, data: Option<&DataFolder>, report: &mut Report) {
    let (ambient, supervisor) = (Ambient::system(), Supervisor::default());
    for (service, collections) in STORES {
        let what = format!("documents of {service} ({:?})", settings.documents.backend).to_lowercase();
        let opened =
            back_ends::documents(settings, data, service, collections, &ambient, &Metrics::new()).await;
        if let Some(store) = report.note(&format!("{what}: opened"), opened) {
            report.note(&format!("{what}: answers"), store.check().await);
        }
    }
    let what = format!("bus ({:?})", settings.bus.backend).to_lowercase();
    if let Some(bus) = report.note(&what, back_ends::bus(settings, data, &ambient).await) {
        let depths = bus.depths().await.map(|depths| depths.iter().map(|(_, depth)| depth).sum::<u64>());
        report.note(&format!("{what}: queues"), depths);
    }
    let what = format!("cache ({:?})", settings.cache.backend).to_lowercase();
    if let Some(cache) = report.note(&what, back_ends::cache(settings).await)
        && settings.cache.backend == CacheBackend::Redis
    {
        report.note(&format!("{what}: answers"), cache.check().await);
    }
    let what = format!("discovery ({:?})", settings.discovery.backend).to_lowercase();
    report.note(&what, back_ends::discovery(settings, &ambient, &supervisor).await.map(drop));
    let what = format!("mail ({:?})", settings.mail.backend).to_lowercase();
    match settings.mail.backend {
        // It lies in the documents of auth.
        MailBackend::Outbox => drop(report.note::<_, anyhow::Error>(&what, Ok(()))),
        MailBackend::Smtp => {
            if let Some(mailer) = report.note(&what, back_ends::smtp(settings)) {
                report.note(&format!("{what}: answers"), mailer.check().await);
            }
        }
    }
    let address = settings.node.listen;
    report.note(&format!("node.listen {address}: free"), TcpListener::bind(address).await.map(drop));
}

/// A process runs on this folder: it knows best.
fn ask_the_living(answer: &Answer, report: &mut Report) {
    println!("A process is running on this data folder; this is its own word.");
    let Answer::Readiness(readiness) = answer else {
        report.note::<(), _>("its word", Err(format!("unexpected: {answer:?}")));
        return;
    };
    let checks = readiness["checks"].as_object().cloned().unwrap_or_default();
    for (name, check) in checks {
        let detail = check["detail"].as_str().unwrap_or("it did not say why").to_owned();
        let outcome = if check["status"] == "up" { Ok(()) } else { Err(detail) };
        report.note(&name, outcome);
    }
}
