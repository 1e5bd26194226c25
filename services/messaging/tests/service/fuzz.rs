//! Whatever stands in a query: a page or a refusal, never a fault of ours, and never anything of another place.

use proptest::{
    prelude::*,
    test_runner::{Config as Cases, RngSeed, TestRunner},
};
use tertulia_contracts::messaging::{Conversations, Members, Messages};

use crate::harness::{House, make_group};

/// A cursor of ours, one of ours with a character exchanged, or anything at all.
fn cursors(ours: Vec<String>) -> impl Strategy<Value = String> {
    let ours = proptest::sample::select(ours);
    let damaged = (ours.clone(), any::<proptest::sample::Index>(), "[A-Za-z0-9_.-]").prop_map(
        |(mut cursor, place, other)| {
            let place = place.index(cursor.len());
            cursor.replace_range(place..=place, &other);
            cursor
        },
    );
    prop_oneof![2 => ours, 4 => damaged, 1 => "[A-Za-z0-9_-]{0,80}", 1 => any::<String>()]
}

/// As it stands in an address.
fn escaped(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    bytes.concat()
}

#[test]
fn no_cursor_is_a_fault_or_leads_elsewhere() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_house, ann, group, members, others, ours) = runtime.block_on(async {
        let house = House::open().await;
        let service = house.service().await;
        let (ann, eve) = (house.user(), house.user());
        let others = make_group(&house.client(&service, eve), &[house.user(), house.user()]).await;
        let anns = house.client(&service, ann);
        let members = [ann, house.user(), house.user()];
        let group = make_group(&anns, &members[1..]).await;
        make_group(&anns, &[]).await;
        for nth in 0..3 {
            house.post(&anns, group, &format!("message {nth}")).await;
        }
        let mut ours = Vec::new();
        for path in [format!("{group}/members"), format!("{group}/messages")] {
            let page = anns.get(&format!("/v1/conversations/{path}?limit=1")).await.expect(200);
            ours.push(page.json()["next_cursor"].as_str().unwrap().to_owned());
        }
        let page = anns.get("/v1/conversations?limit=1").await.expect(200);
        ours.push(page.json()["next_cursor"].as_str().unwrap().to_owned());
        (house, anns, group, members, others, ours)
    });
    let settings =
        Cases { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Cases::default() };
    let outcome = TestRunner::new(settings).run(&(cursors(ours), 0..3_usize), |(cursor, which)| {
        let paths = ["", &format!("/{group}/members"), &format!("/{group}/messages")];
        let path = format!("/v1/conversations{}?cursor={}", paths[which], escaped(&cursor));
        let page = runtime.block_on(ann.get(&path));
        prop_assert!(matches!(page.status.as_u16(), 200 | 422), "{path} is answered with {}", page.status);
        if page.status == 422 {
            prop_assert_eq!(page.code(), "invalid_fields");
            return Ok(());
        }
        match which {
            0 => prop_assert!(page.read::<Conversations>().items.iter().all(|it| it.id != others)),
            1 => {
                let items = page.read::<Members>().items;
                prop_assert!(items.iter().all(|member| members.contains(&member.user_id)));
            }
            _ => {
                let items = page.read::<Messages>().items;
                prop_assert!(items.iter().all(|message| message.conversation_id == group));
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
