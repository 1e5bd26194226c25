//! `tertulia bus dead`, on an event that this release cannot read.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::process::{DEADLINE, Folder, Outcome, Product};

const USER: &str = "usr_01HF7YAT000000000000000001";

/// Queues an event of a release to come, as a node of that release would have.
fn queue_newer_event(folder: &Folder) {
    let event = json!({
        "specversion": "1.0", "id": "evt_01HF7YAT000000000000000002", "source": "/auth", "type": "user.registered",
        "time": "2023-11-14T22:13:20Z", "partitionkey": USER, "schemaversion": 99, "data": {"user": USER},
    });
    let bus = Connection::open(folder.data().join("bus.db")).unwrap();
    let sql = "INSERT INTO queue (grp, key, event) VALUES ('messaging', ?1, ?2)";
    bus.execute(sql, (USER, event.to_string().into_bytes())).unwrap();
}

fn dead(folder: &Folder, command: &[&str]) -> Outcome {
    folder.run(&[&["bus", "dead"], command].concat())
}

/// The ids of the letters, once there is one that `wanted` accepts. Starting the command is pause enough.
fn id_of_letter(folder: &Folder, wanted: impl Fn(&str) -> bool) -> String {
    let start = std::time::Instant::now();
    while start.elapsed() < DEADLINE {
        let listed = dead(folder, &["list"]);
        assert!(listed.success, "{listed:?}");
        let id = listed.out.lines().find(|line| line.starts_with("messaging  "));
        let id = id.and_then(|line| line.split_whitespace().nth(1));
        if let Some(id) = id.filter(|id| wanted(id)) {
            let line = listed.out.lines().next().unwrap();
            assert!(line.contains("user.registered") && line.contains("version 99"), "{line}");
            return id.to_owned();
        }
    }
    panic!("no dead letter comes");
}

#[test]
fn an_event_of_a_newer_release_is_kept_shown_replayed_and_dropped() {
    let folder = Folder::new();
    Product::up(&folder, &[]).stop();
    let none = dead(&folder, &["list"]);
    assert!(none.success && none.out.contains("There are no dead letters."), "{none:?}");
    queue_newer_event(&folder);
    let mut product = Product::up(&folder, &[]);

    let first = id_of_letter(&folder, |_| true);
    let shown = dead(&folder, &["show", "messaging", &first]);
    let letter: Value = serde_json::from_str(&shown.out).unwrap_or_else(|error| panic!("{error}: {shown:?}"));
    assert!(letter["reason"].as_str().unwrap().contains("newer"), "{letter}");
    assert!(letter["body"].as_str().unwrap().contains(USER), "{letter}");

    // It is read no better the second time, and is a new letter then.
    let replayed = dead(&folder, &["replay", "messaging", &first]);
    assert!(replayed.success, "{replayed:?}");
    let second = id_of_letter(&folder, |id| id != first);

    // The same commands serve while nothing runs.
    product.stop();
    assert_eq!(id_of_letter(&folder, |_| true), second);
    let mut product = Product::up(&folder, &[]);

    let dropped = dead(&folder, &["drop", "messaging", &second]);
    assert!(dropped.success, "{dropped:?}");
    let none = dead(&folder, &["list"]);
    assert!(none.success && none.out.contains("There are no dead letters."), "{none:?}");
    for command in ["show", "replay", "drop"] {
        let absent = dead(&folder, &[command, "messaging", &second]);
        assert!(!absent.success && absent.err.contains("no dead letter"), "{command}: {absent:?}");
    }
    let unknown = dead(&folder, &["list", "--group", "nobody"]);
    assert!(!unknown.success && unknown.err.contains("nobody"), "{unknown:?}");
    product.stop();
}

#[test]
fn what_is_no_event_at_all_is_a_dead_letter_too() {
    let folder = Folder::new();
    Product::up(&folder, &[]).stop();
    let bus = Connection::open(folder.data().join("bus.db")).unwrap();
    bus.execute("INSERT INTO queue (grp, key, event) VALUES ('messaging', 'x', x'ff00')", []).unwrap();
    drop(bus);
    let _product = Product::up(&folder, &[]);
    let start = std::time::Instant::now();
    let listed = loop {
        let listed = dead(&folder, &["list", "--group", "messaging"]);
        if listed.out.contains("(unreadable)") || start.elapsed() > DEADLINE {
            break listed;
        }
    };
    assert!(listed.out.contains("is not an event"), "{listed:?}");
}
