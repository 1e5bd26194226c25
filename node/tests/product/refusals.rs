//! What it does not start with: an error that names the setting, and data that is left alone.

use std::{fs, net::TcpListener, path::Path};

use rusqlite::Connection;
use tokio::net::TcpSocket;

use crate::process::{Folder, Outcome, Product, run, text};

fn up(folder: &Folder, arguments: &[&str]) -> Outcome {
    let data = folder.data();
    run(&[&["up", "--listen", "127.0.0.1:0", "--data", text(&data)], arguments].concat())
}

/// It ended, unwell, and every one of these words stands in what it said.
fn refuses(outcome: &Outcome, words: &[&str]) {
    assert!(!outcome.success, "it started: {outcome:?}");
    assert!(!outcome.out.contains("ready"), "{outcome:?}");
    for word in words {
        assert!(outcome.err.contains(word), "{word} is not in {outcome:?}");
    }
    assert!(!outcome.err.contains("hunter2"), "a secret is shown: {outcome:?}");
}

#[test]
fn a_port_in_use_is_named_and_no_data_is_touched() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = run(&["up", "--listen", &address, "--data", text(&folder.data())]);
    refuses(&outcome, &["node.listen", &address, "in use"]);
    assert!(!folder.data().exists());
}

#[test]
fn a_data_folder_in_use_is_named() {
    let folder = Folder::new();
    let mut product = Product::up(&folder, &[]);
    refuses(&up(&folder, &[]), &["node.data", "another process", text(&folder.data())]);
    product.stop();
    Product::up(&folder, &[]).stop();
}

#[test]
fn a_file_where_the_data_folder_should_be_is_named() {
    let folder = Folder::new();
    let file = folder.file("data", "mine");
    refuses(&up(&folder, &[]), &["node.data", text(&file)]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn data_of_a_newer_release_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    Product::up(&folder, &[]).stop();
    for name in ["auth.db", "messaging.db", "bus.db"] {
        let path = folder.data().join(name);
        let known = set_version(&path, 1_000);
        let before = fs::read(&path).unwrap();
        refuses(&up(&folder, &[]), &[name, "schema version 1000"]);
        assert!(fs::read(&path).unwrap() == before, "{name} was written to");
        assert_eq!(set_version(&path, known), 1_000);
    }
    Product::up(&folder, &[]).stop();
}

/// Returns the version before.
fn set_version(path: &Path, version: u32) -> u32 {
    let connection = Connection::open(path).unwrap();
    let before = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    before
}

/// Each back end: how it is chosen, and the setting that says where it is.
const BACK_ENDS: [(&str, &str, &str, &str); 4] = [
    ("documents.backend=mongodb", "documents.mongodb_url", "mongodb://ana:hunter2@", "MongoDB"),
    ("bus.backend=rabbitmq", "bus.rabbitmq_url", "amqp://ana:hunter2@", "RabbitMQ"),
    ("cache.backend=redis", "cache.redis_url", "redis://ana:hunter2@", "Redis"),
    ("discovery.backend=consul", "discovery.consul_url", "http://", "Consul"),
];

#[test]
fn a_back_end_without_its_address_is_refused() {
    for (choice, setting, ..) in BACK_ENDS {
        refuses(&up(&Folder::new(), &["--set", choice]), &[setting, "is empty"]);
    }
}

#[test]
fn mail_over_smtp_says_what_it_lacks() {
    let folder = Folder::new();
    let (url, from) = ("mail.smtp_url=smtps://ana:hunter2@127.0.0.1:1", "mail.from=Us <us@example.org>");
    let mut settings = vec!["--set", "mail.backend=smtp"];
    refuses(&up(&folder, &settings), &["mail.smtp_url", "is empty"]);
    settings.extend(["--set", url]);
    refuses(&up(&folder, &settings), &["mail.from", "is empty"]);
    settings.extend(["--set", from]);
    refuses(&up(&folder, &settings), &["node.public_url", "is empty"]);
    settings.extend(["--set", "node.public_url=https://chat.example"]);
    let wrong = |setting: &'static str| [settings.clone(), vec!["--set", setting]].concat();
    refuses(&up(&folder, &wrong("mail.from=Us")), &["mail.from", "name@host"]);
    let open = wrong("mail.smtp_url=smtp://ana:hunter2@mail.example.org");
    refuses(&up(&folder, &open), &["mail.smtp_url", "unencrypted"]);
}

#[test]
fn an_address_that_is_none_is_refused_without_its_password() {
    for (choice, setting, scheme, name) in BACK_ENDS {
        for nonsense in ["gopher:hunter2@nowhere:x", &format!("{scheme}127.0.0.1:port/")] {
            let url = format!("{setting}={nonsense}");
            refuses(&up(&Folder::new(), &["--set", choice, "--set", &url]), &[setting, name]);
        }
    }
}

#[test]
fn a_back_end_where_nobody_listens_is_named() {
    // Bound and not listening, so that nobody else gets the port meanwhile.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = nobody.local_addr().unwrap().port();
    for (choice, setting, scheme, name) in BACK_ENDS {
        let url = format!("{setting}={scheme}127.0.0.1:{port}/");
        let outcome = up(&Folder::new(), &["--set", choice, "--set", &url]);
        refuses(&outcome, &[setting, name]);
    }
}

#[test]
fn a_back_end_that_says_nothing_is_given_up() {
    // It accepts, and that is all it does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (choice, setting, scheme, name) in BACK_ENDS {
        let url = format!("{setting}={scheme}127.0.0.1:{port}/");
        let outcome = up(&Folder::new(), &["--set", choice, "--set", &url]);
        refuses(&outcome, &[setting, name]);
    }
}

#[test]
fn an_unknown_key_names_the_nearest_right_one() {
    let folder = Folder::new();
    refuses(&up(&folder, &["--set", "auth.acces_token_s=5"]), &["auth.acces_token_s", "auth.access_token_s"]);
    let file = folder.file("t.toml", "[bus]\nbackand = \"sqlite\"\n");
    refuses(&up(&folder, &["--config", text(&file)]), &["t.toml:2", "bus.backand", "bus.backend"]);
    assert!(!folder.data().exists());
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let folder = Folder::new();
    refuses(&up(&folder, &["--set", "auth.access_token_s=soon"]), &["auth.access_token_s", "whole number"]);
    refuses(&up(&folder, &["--set", "bus.backend=kafka"]), &["bus.backend", "kafka", "rabbitmq"]);
    assert!(!folder.data().exists());
}

#[test]
fn roles_in_several_processes_need_a_bus_between_them() {
    let folder = Folder::new();
    let data = folder.data();
    let outcome = run(&["serve", "messaging", "--data", text(&data)]);
    refuses(&outcome, &["bus.backend", "sqlite", "rabbitmq"]);
    assert!(!data.exists());
}
