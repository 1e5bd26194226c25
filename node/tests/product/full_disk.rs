//! A disk that is full, played by the largest size that the process' files may have.

use std::process::Command;

use tertulia_client::{Api, ApiError};
use tertulia_contracts::{ConversationId, messaging::PostMessage};
use ulid::Ulid;

use crate::{
    private::conversation_of,
    process::{Folder, Product, outcome_of, tertulia},
};

fn message(number: u64) -> PostMessage {
    let body = format!("{number} {}", "x".repeat(7_900));
    PostMessage::new(Ulid::from_parts(1_700_000_000_000, u128::from(number)), body)
}

/// Posts until it is refused; how many were acknowledged.
async fn post_until_full(ana: &Api, c: ConversationId) -> u64 {
    for number in 0..5_000 {
        match ana.post(c, &message(number)).await {
            Ok(_) => {}
            Err(ApiError::Refused { status, code, .. }) => {
                assert_eq!((status.as_u16(), &*code), (503, "store_unavailable"));
                return number;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk is never full");
}

async fn bodies(ana: &Api, c: ConversationId) -> Vec<String> {
    let (mut bodies, mut after) = (Vec::new(), 0);
    loop {
        let page = ana.messages(c, after, 200).await.unwrap().items;
        let Some(last) = page.last() else { return bodies };
        after = last.seq;
        bodies.extend(page.into_iter().map(|message| message.body));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_it_acknowledged() {
    let folder = Folder::new();
    // The signal that would end it is ignored, so that a write over the bound is an error as on a full disk.
    let script = "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\"";
    let binary = tertulia(&[]).get_program().to_owned();
    let mut limited = Command::new("/bin/sh");
    limited.env_clear().args(["-c", script]).arg(binary).args(Product::arguments(&folder, &[]));
    let mut product = Product::of(&mut limited);
    let (ana, _) = product.member("ana").await;
    let c = conversation_of(&ana).await;

    let acked = post_until_full(&ana, c).await;
    assert!(acked > 0, "it was full from the start");
    // It stays refused, in the same words, and reading goes on.
    for _ in 0..3 {
        assert_eq!(ana.post(c, &message(acked)).await.unwrap_err().code(), Some("store_unavailable"));
    }
    assert_eq!(bodies(&ana, c).await.len(), usize::try_from(acked).unwrap());

    // There is space again: the next post succeeds, without anybody doing anything.
    let pid = product.process.pid().to_string();
    let raised = outcome_of(Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &pid]));
    assert!(raised.success, "{raised:?}");
    ana.post(c, &message(acked)).await.unwrap();
    product.stop();

    let again = Product::up(&folder, &[]);
    let expected: Vec<String> = (0..=acked).map(|number| message(number).body).collect();
    assert!(bodies(&ana.at(&again.url), c).await == expected, "what was acknowledged is not what is there");
}
