//! What is accepted arrives, as it was.

use std::{collections::BTreeSet, sync::Arc};

use tertulia_runtime::Timestamp;
use tokio::task::JoinSet;

use super::{Rig, THEN_MS, mail};
use crate::Mail;

pub(super) async fn what_is_accepted_arrives_whole(rig: Arc<dyn Rig>) {
    let (mailer, sent) = (rig.mailer().await, mail(1));
    mailer.check().await.expect("mails are taken");
    mailer.deliver(&sent).await.expect("it is accepted");
    let arrived = rig.arrived().await;
    let [arrived] = arrived.as_slice() else { panic!("one mail was sent: {arrived:?}") };
    assert_eq!(arrived.to, ["ana@example.org"]);
    assert_eq!(arrived.subject, sent.subject);
    assert_eq!(lines(&arrived.text), lines(&sent.text));
    assert_eq!(lines(&arrived.html), lines(&sent.html));
}

/// A network may write line breaks its own way.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().collect()
}

pub(super) async fn letters_of_all_scripts_arrive(rig: Arc<dyn Rig>) {
    let (text, html) = ("¿Quién?\nЖизнь 命 🐙\n.\n..\nFrom here\n", "<p>¿Quién? Жизнь 命 🐙</p>");
    let subject = "¿Quién eres? Жизнь 命 🐙 — and so on for longer than one line of a header may well be";
    let sent = Mail { subject: subject.to_owned(), text: text.to_owned(), html: html.to_owned(), ..mail(1) };
    rig.mailer().await.deliver(&sent).await.expect("it is accepted");
    let arrived = rig.arrived().await.pop().expect("it arrived");
    assert_eq!(arrived.subject, subject);
    assert_eq!(lines(&arrived.text), lines(text));
    assert_eq!(lines(&arrived.html), lines(html));
}

pub(super) async fn a_mail_given_again_is_known_again(rig: Arc<dyn Rig>) {
    for sent in [mail(1), mail(2), mail(1)] {
        rig.mailer().await.deliver(&sent).await.expect("it is accepted");
    }
    let ids: BTreeSet<String> = rig.arrived().await.into_iter().map(|mail| mail.id).collect();
    assert_eq!(ids, [mail(1), mail(2)].map(|mail| mail.id.to_string()).into());
}

pub(super) async fn it_is_dated_by_what_it_tells(rig: Arc<dyn Rig>) {
    let mailer = rig.mailer().await;
    for at_ms in [THEN_MS, THEN_MS + 86_400_000] {
        let number = at_ms.unsigned_abs().into();
        let sent = Mail { at: Timestamp::from_millis(at_ms), ..mail(number) };
        mailer.deliver(&sent).await.expect("it is accepted");
    }
    let dates: BTreeSet<i64> = rig.arrived().await.iter().map(|mail| mail.at_s).collect();
    assert_eq!(dates, [THEN_MS / 1000, THEN_MS / 1000 + 86_400].into());
}

pub(super) async fn many_at_once_all_arrive(rig: Arc<dyn Rig>) {
    const MANY: u128 = 40;
    let mut sending = JoinSet::new();
    for number in 0..MANY {
        let mailer = rig.mailer().await;
        sending.spawn(async move { mailer.deliver(&mail(number)).await.expect("it is accepted") });
    }
    sending.join_all().await;
    let subjects: BTreeSet<String> = rig.arrived().await.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, (0..MANY).map(|number| mail(number).subject).collect());
}

pub(super) async fn what_was_accepted_survives_a_crash(rig: Arc<dyn Rig>) {
    rig.mailer().await.deliver(&mail(1)).await.expect("it is accepted");
    let before = rig.arrived().await;
    assert_eq!(before.len(), 1);
    rig.crash().await;
    assert_eq!(rig.arrived().await, before);
    rig.mailer().await.deliver(&mail(2)).await.expect("it is accepted");
    assert_eq!(rig.arrived().await.len(), 2);
}
