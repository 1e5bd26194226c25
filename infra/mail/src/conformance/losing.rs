//! The server refuses, or goes away: nothing is taken for accepted.

use std::sync::Arc;

use tertulia_runtime::testkit::eventually_true;
use tokio::time::{Instant, timeout};

use super::{Loss, Rig, mail};
use crate::{Error, Mail};

pub(super) async fn a_refusal_is_not_a_busy_server(rig: Arc<dyn Rig>) {
    let mailer = rig.mailer().await;
    let to = |address: &str| Mail { to: address.to_owned(), ..mail(1) };
    let refused = mailer.deliver(&to("refused@example.org")).await;
    assert!(
        matches!(&refused, Err(Error::Refused(reason)) if reason.contains("no such mailbox")),
        "{refused:?}"
    );
    let busy = mailer.deliver(&to("later@example.org")).await;
    assert!(
        matches!(&busy, Err(Error::Unavailable(reason)) if reason.contains("come back later")),
        "{busy:?}"
    );
    assert!(rig.arrived().await.is_empty());
}

pub(super) async fn without_its_server_nothing_is_accepted(rig: Arc<dyn Rig>) {
    let mailer = rig.mailer().await;
    mailer.check().await.expect("the server is there");
    for loss in [Loss::Killed, Loss::Silent] {
        rig.lose_server(loss).await;
        let begun = Instant::now();
        let answer = timeout(rig.patience(), mailer.deliver(&mail(1))).await;
        let answer = answer.unwrap_or_else(|_| panic!("{loss:?}: still waiting after {:?}", begun.elapsed()));
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{loss:?}: {answer:?}");
        assert!(mailer.check().await.is_err(), "{loss:?}");
        rig.return_server().await;
    }
}

pub(super) async fn it_finds_its_server_again(rig: Arc<dyn Rig>) {
    let mailer = rig.mailer().await;
    for (number, loss) in [(1, Loss::Killed), (2, Loss::Silent)] {
        rig.lose_server(loss).await;
        mailer.deliver(&mail(number)).await.expect_err("nobody is there");
        rig.return_server().await;
        eventually_true(rig.patience(), async || mailer.deliver(&mail(number)).await.is_ok()).await;
        assert!(rig.arrived().await.iter().any(|arrived| arrived.id == mail(number).id.to_string()));
        mailer.check().await.expect("the server is there again");
    }
}
