//! Scans: pages, order, ranges, cursors.

use std::sync::Arc;

use super::{
    Store,
    fixture::{Fixture, GROUP, NAME, THINGS, key, keyed, thing},
};
use crate::{Cursor, Index, Key, Page, Scan, Stored};

fn ids(page: &Page<Stored>) -> Vec<&str> {
    page.items.iter().map(|stored| stored.id.as_str()).collect()
}

/// Ten documents in three groups: `a0` to `a2`, `b0` to `b3`, `c0` to `c2`.
async fn three_groups(store: Arc<dyn Store>) -> Fixture {
    let fixture = Fixture::new(store).await;
    let shuffled = ["b2", "a1", "c0", "b0", "a2", "c2", "b3", "a0", "b1", "c1"];
    for (number, id) in (0_u64..).zip(shuffled) {
        let keys = [(GROUP, key(&id[..1])), (NAME, key(id))];
        fixture.insert(keyed(id, number, &keys)).await.expect("it is new");
    }
    fixture
}

const SORTED: [&str; 10] = ["a0", "a1", "a2", "b0", "b1", "b2", "b3", "c0", "c1", "c2"];

async fn scan(fixture: &Fixture, scan: Scan) -> Page<Stored> {
    fixture.documents.scan(&THINGS, scan).await.expect("it is a valid scan")
}

/// Reads a whole scan page by page, the cursor going through its text form each time.
async fn pages(fixture: &Fixture, first: Scan) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = scan(fixture, first.clone().after(after)).await;
        pages.push(ids(&page).into_iter().map(str::to_owned).collect());
        let Some(next) = page.next else { return pages };
        after = Some(Cursor::decode(&next.encode()).expect("it was just encoded"));
        assert!(pages.len() <= SORTED.len(), "the pages have no end: {pages:?}");
    }
}

pub(super) async fn many_come_in_the_order_asked_for(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    let asked = ["c1", "a0", "nobody", "b2", "a0", "a2"].map(str::to_owned);
    let found = fixture.documents.get_many(&THINGS, &asked).await.expect("it answers");
    let found: Vec<_> = found.iter().map(|stored| stored.id.as_str()).collect();
    assert_eq!(found, ["c1", "a0", "b2", "a0", "a2"]);
}

pub(super) async fn pages_meet_without_gap_or_overlap(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    for index in [GROUP, NAME, Index::ID] {
        for limit in [1, 2, 3, 5, 9, 10, 11] {
            let read = pages(&fixture, Scan::of(index, Key::new(), limit)).await;
            assert_eq!(read.concat(), SORTED, "{} by {limit}", index.name);
            assert_eq!(read.len(), SORTED.len().div_ceil(limit), "the last page says that it is the last");
            assert!(read[..read.len() - 1].iter().all(|page| page.len() == limit), "{read:?}");
        }
    }
}

pub(super) async fn pages_run_backward_too(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    let backward: Vec<_> = SORTED.into_iter().rev().collect();
    for index in [GROUP, NAME, Index::ID] {
        for limit in [1, 3, 10] {
            let read = pages(&fixture, Scan::of(index, Key::new(), limit).descending()).await;
            assert_eq!(read.concat(), backward, "{} by {limit}", index.name);
        }
    }
    let newest = scan(&fixture, Scan::of(GROUP, key("b"), 2).descending()).await;
    assert_eq!(ids(&newest), ["b3", "b2"]);
}

pub(super) async fn cursors_stay_while_documents_come_and_go(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    let first = scan(&fixture, Scan::of(GROUP, Key::new(), 5)).await;
    assert_eq!(ids(&first), SORTED[..5]);
    // One goes in front of the cursor, one comes in front of it, and the one it stands on goes.
    fixture.delete("a1", 1).await.expect("the revision is right");
    fixture.delete("b1", 1).await.expect("the revision is right");
    for id in ["a3", "a4", "b11"] {
        fixture.insert(keyed(id, 1, &[(GROUP, key(&id[..1]))])).await.expect("it is new");
    }
    let rest = scan(&fixture, Scan::of(GROUP, Key::new(), 10).after(first.next.clone())).await;
    assert_eq!(ids(&rest), ["b11", "b2", "b3", "c0", "c1", "c2"]);
    let back = scan(&fixture, Scan::of(GROUP, Key::new(), 10).descending().after(first.next)).await;
    assert_eq!(ids(&back), ["b0", "a4", "a3", "a2", "a0"]);
}

pub(super) async fn ranges_bound_a_scan(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    for (conversation, seqs) in [("c1", 0..3), ("c2", 0..20), ("c21", 0..3), ("c3", 0..3)] {
        for seq in seqs {
            let name = Key::new().text(conversation).number(seq);
            fixture
                .insert(keyed(&format!("{conversation}/{seq}"), seq, &[(NAME, name)]))
                .await
                .expect("it is new");
        }
    }
    let at = |seq| Key::new().text("c2").number(seq);
    let of = |scan: Scan| {
        let fixture = &fixture;
        async move { ids(&self::scan(fixture, scan).await).join(" ") }
    };
    let all = || Scan::of(NAME, key("c2"), 100);
    assert_eq!(of(all().to(at(3))).await, "c2/0 c2/1 c2/2");
    assert_eq!(of(all().from(at(17))).await, "c2/17 c2/18 c2/19");
    assert_eq!(of(all().from(at(9)).to(at(12))).await, "c2/9 c2/10 c2/11");
    assert_eq!(of(all().from(at(9)).to(at(12)).descending()).await, "c2/11 c2/10 c2/9");
    assert_eq!(of(all().from(at(12)).to(at(9))).await, "");
    assert_eq!(of(all().from(key("c1")).to(at(1))).await, "c2/0", "a range does not widen the prefix");
    let fresh = scan(&fixture, all().from(at(9)).to(at(12))).await;
    assert!(fresh.next.is_none(), "a page that ends with its range is the last");
    assert_eq!(scan(&fixture, all()).await.items.len(), 20);
}

pub(super) async fn keys_are_ordered_by_bytes(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    // U+FF5E sorts after U+1F600 in UTF-16 and before it in UTF-8.
    let texts = [
        "", "\u{0}", "\u{1}", "\u{2}", "!", "A", "Ab", "B", "a", "a\u{0}", "a b", "ab", "z", "~", "ä",
        "\u{ff5e}", "😀",
    ];
    for (number, text) in texts.iter().enumerate().rev() {
        let id = format!("{number:02}");
        fixture.insert(keyed(&id, 1, &[(NAME, key(text)), (GROUP, key(text))])).await.expect("it is new");
    }
    let expected: Vec<_> = (0..texts.len()).map(|number| format!("{number:02}")).collect();
    for index in [NAME, GROUP] {
        let page = scan(&fixture, Scan::of(index, Key::new(), 100)).await;
        assert_eq!(ids(&page), expected);
        for (number, text) in texts.iter().enumerate() {
            let found = scan(&fixture, Scan::of(index, key(text), 2)).await;
            assert_eq!(ids(&found), [expected[number].as_str()], "exactly {text:?}");
        }
    }
}

pub(super) async fn the_deleted_are_not_seen(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    // One with an event, since that leaves more behind in some stores.
    fixture.delete("b1", 1).await.expect("the revision is right");
    let write = crate::Write::Delete("b2".to_owned(), 1);
    fixture.documents.commit(&THINGS, write, vec![fixture.event(1)]).await.expect("the revision is right");
    for id in ["b1", "b2"] {
        assert!(fixture.get(id).await.is_none());
        let found = fixture.documents.get_many(&THINGS, &[id.to_owned()]).await.expect("it answers");
        assert!(found.is_empty());
    }
    for index in [GROUP, NAME, Index::ID] {
        let prefix = if index == Index::ID { Key::from_encoded("b".to_owned()) } else { Key::new() };
        let page = scan(&fixture, Scan::of(index, prefix, 100)).await;
        assert!(ids(&page).iter().all(|id| !["b1", "b2"].contains(id)), "{}: {:?}", index.name, ids(&page));
    }
    let gone = fixture.replace(thing("b2", 9), 2).await;
    assert!(gone.is_err(), "what is deleted has no revision");
    let keys = [(GROUP, key("b")), (NAME, key("b2"))];
    fixture.insert(keyed("b2", 7, &keys)).await.expect("its id and its keys are free");
    assert_eq!(fixture.number("b2").await, Some(7));
}

pub(super) async fn a_replacement_moves_in_its_indexes(store: Arc<dyn Store>) {
    let fixture = three_groups(store).await;
    fixture.replace(keyed("b1", 1, &[(GROUP, key("c"))]), 1).await.expect("the revision is right");
    assert_eq!(ids(&scan(&fixture, Scan::of(GROUP, key("b"), 10)).await), ["b0", "b2", "b3"]);
    assert_eq!(ids(&scan(&fixture, Scan::of(GROUP, key("c"), 10)).await), ["b1", "c0", "c1", "c2"]);
    assert!(scan(&fixture, Scan::of(NAME, key("b1"), 10)).await.items.is_empty(), "it has no name any more");
}
