//! Runs the mail port's conformance suite on every adapter and on its real server, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::sync::Arc;

use tertulia_conformance::Harness;
use tertulia_mail::conformance::{CASES, Rig, SabotagedRig};

use rigs::{OutboxRig, SmtpRig};

fn main() -> anyhow::Result<()> {
    let mut harness = Harness::new()?;
    for case in CASES {
        // An adapter without a server cannot lose one.
        let needs_server = case.module == "losing";
        if !needs_server {
            harness.keeps("outbox", case, outbox);
        }
        harness.keeps("smtp", case, smtp);
        harness.notices(case, async move || {
            let sound = if needs_server { smtp().await } else { outbox().await };
            Arc::new(SabotagedRig::new(sound, case.broken_by)) as Arc<dyn Rig>
        });
    }
    harness.trial("outbox::it_is_kept_once_and_not_for_ever", rigs::it_is_kept_once_and_not_for_ever);
    harness.trial("smtp::a_wrong_password_is_not_the_mails_fault", rigs::a_wrong_password);
    harness.trial("smtp::without_starttls_nothing_is_said", rigs::without_starttls_nothing_is_said);
    harness.trial("smtp::a_mail_says_that_a_program_wrote_it", rigs::what_the_headers_say);
    harness.run().exit()
}

async fn outbox() -> Arc<dyn Rig> {
    Arc::new(OutboxRig::start().await)
}

async fn smtp() -> Arc<dyn Rig> {
    Arc::new(SmtpRig::start().await)
}
