//! What is no mail is sent to nobody.

use std::sync::Arc;

use super::{Rig, SECRET, mail};
use crate::{Error, MAX_ADDRESS_BYTES, MAX_BODY_BYTES, MAX_SUBJECT_CHARS, Mail};

/// Whether it is refused as what can never be sent, and arrives nowhere.
async fn is_invalid(rig: &dyn Rig, what: &str, wrong: Mail) {
    let before = rig.arrived().await.len();
    let answer = rig.mailer().await.deliver(&wrong).await;
    assert!(matches!(answer, Err(Error::Invalid(_))), "{what}: {answer:?}");
    assert_eq!(rig.arrived().await.len(), before, "{what} arrived");
}

pub(super) async fn a_line_break_begins_no_header(rig: Arc<dyn Rig>) {
    for subject in
        ["Hello\r\nBcc: eve@example.org", "Hello\nBcc: eve@example.org", "Hello\r\r", "a\u{0}b", " "]
    {
        is_invalid(&*rig, subject, Mail { subject: subject.to_owned(), ..mail(1) }).await;
    }
    // What looks like a header is none within a subject or a body.
    let (subject, text) = ("Bcc: eve@example.org", "Bcc: eve@example.org\r\n\r\nHello");
    let fine = Mail { subject: subject.to_owned(), text: text.to_owned(), ..mail(2) };
    rig.mailer().await.deliver(&fine).await.expect("it is accepted");
    let arrived = rig.arrived().await.pop().expect("it arrived");
    assert_eq!((arrived.to, arrived.subject.as_str()), (vec!["ana@example.org".to_owned()], subject));
}

pub(super) async fn what_is_no_address_is_not_written_to(rig: Arc<dyn Rig>) {
    let long = format!("{}@{}.example", "a".repeat(60), "b".repeat(MAX_ADDRESS_BYTES));
    for to in [
        "",
        "ana",
        "ana@",
        "ana@example.org, eve@example.org",
        "ana@example.org\r\nRCPT TO:<eve@example.org>",
        "Ana <ana@example.org>",
        "ana@example.org>",
        &long,
    ] {
        is_invalid(&*rig, to, Mail { to: to.to_owned(), ..mail(1) }).await;
    }
}

pub(super) async fn what_is_too_large_is_refused(rig: Arc<dyn Rig>) {
    let (subject, body) = ("é".repeat(MAX_SUBJECT_CHARS), "é".repeat(MAX_BODY_BYTES / 2));
    let whole = Mail { subject: subject.clone(), text: body.clone(), html: body.clone(), ..mail(1) };
    rig.mailer().await.deliver(&whole).await.expect("it is just within the bounds");
    let arrived = rig.arrived().await.pop().expect("it arrived");
    assert_eq!(
        (arrived.subject.chars().count(), arrived.text.trim_end().len()),
        (MAX_SUBJECT_CHARS, MAX_BODY_BYTES)
    );
    for (what, wrong) in [
        ("a subject", Mail { subject: subject + "é", ..mail(2) }),
        ("a text", Mail { text: body.clone() + "e", ..mail(2) }),
        ("an HTML", Mail { html: body + "e", ..mail(2) }),
        ("no text", Mail { text: String::new(), ..mail(2) }),
    ] {
        is_invalid(&*rig, what, wrong).await;
    }
}

pub(super) async fn an_error_says_nothing_of_what_a_mail_says(rig: Arc<dyn Rig>) {
    let mailer = rig.mailer().await;
    for wrong in [
        Mail { to: "none".to_owned(), ..mail(1) },
        Mail { subject: format!("{SECRET}\r\n"), ..mail(1) },
        Mail { text: SECRET.repeat(MAX_BODY_BYTES), ..mail(1) },
    ] {
        let error = mailer.deliver(&wrong).await.expect_err("it is no mail");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    assert!(!format!("{:?}", mail(1)).contains(SECRET), "a mail in a log");
}
