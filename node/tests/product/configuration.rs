//! `tertulia config`, and the layers as the binary puts them together.

use crate::process::{Folder, Outcome, outcome_of, run, tertulia, text};

fn show(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    outcome_of(tertulia(&[&["config", "show"], arguments].concat()).envs(environment.iter().copied()))
}

#[test]
fn the_default_file_is_a_configuration_that_changes_nothing() {
    let folder = Folder::new();
    let default = run(&["config", "default"]);
    let file = folder.file("t.toml", &default.out);
    let checked = run(&["config", "check", "--config", text(&file)]);
    assert!(checked.success, "{checked:?}");
    let values = |shown: &Outcome| shown.out.parse::<toml::Table>().unwrap();
    let (with, without) = (show(&["--config", text(&file)], &[]), show(&[], &[]));
    assert_eq!(values(&with), values(&without));
    // The file says nothing that the product does not know, and leaves nothing out but the files of secrets.
    let known = values(&without);
    for (section, keys) in &default.out.parse::<toml::Table>().unwrap() {
        for key in keys.as_table().unwrap().keys().filter(|key| !key.ends_with("_file")) {
            assert!(known[section].get(key).is_some(), "{section}.{key} is not shown");
        }
    }
}

#[test]
fn a_wrong_configuration_is_told_whole() {
    let folder = Folder::new();
    let file = folder.file("t.toml", "[node]\nlistn = \"x\"\n[cache]\nmemory_max_bytes = \"much\"\n");
    let checked = run(&["config", "check", "--config", text(&file), "--set", "telemetry.format=loud"]);
    assert!(!checked.success, "{checked:?}");
    for word in ["t.toml:2", "node.listen", "t.toml:4", "cache.memory_max_bytes", "telemetry.format"] {
        assert!(checked.err.contains(word), "{word} is not in {}", checked.err);
    }
    let absent = run(&["config", "check", "--config", "/nonexistent.toml"]);
    assert!(!absent.success && absent.err.contains("/nonexistent.toml"), "{absent:?}");
}

#[test]
fn the_later_layer_wins() {
    let folder = Folder::new();
    let file = folder.file("t.toml", "[auth]\naccess_token_s = 11\n");
    let (file, environment) = (["--config", text(&file)], [("TERTULIA_AUTH__ACCESS_TOKEN_S", "12")]);
    let shown = |outcome: Outcome| {
        let line = outcome.out.lines().find(|line| line.starts_with("access_token_s")).map(ToOwned::to_owned);
        line.unwrap_or_else(|| panic!("{outcome:?}"))
    };
    assert!(shown(show(&file, &[])).starts_with("access_token_s = 11  # "));
    let by_environment = shown(show(&file, &environment));
    assert!(by_environment.starts_with("access_token_s = 12  # "), "{by_environment}");
    assert!(by_environment.contains("TERTULIA_AUTH__ACCESS_TOKEN_S"), "{by_environment}");
    let flags = [&file[..], &["--set", "auth.access_token_s=13"]].concat();
    assert!(shown(show(&flags, &environment)).starts_with("access_token_s = 13  # "));
    let misspelt = show(&[], &[("TERTULIA_AUTH__ACCES_TOKEN_S", "12")]);
    assert!(!misspelt.success && misspelt.err.contains("auth.access_token_s"), "{misspelt:?}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let secrets = [
        "documents.mongodb_url",
        "bus.rabbitmq_url",
        "cache.redis_url",
        "discovery.consul_token",
        "mail.smtp_url",
    ];
    for secret in secrets {
        let shown = show(&["--set", &format!("{secret}=hunter2")], &[]);
        let (_, key) = secret.split_once('.').unwrap();
        assert!(shown.out.contains(&format!("{key} = \"(secret)\"")), "{shown:?}");
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
    }
}

#[test]
fn a_secret_is_read_from_a_file() {
    let folder = Folder::new();
    let file = folder.file("url", "redis://hunter2@127.0.0.1:1/\n");
    let from_file = format!("cache.redis_url_file={}", text(&file));
    let shown = show(&["--set", &from_file], &[]);
    assert!(shown.out.contains("redis_url = \"(secret)\""), "{shown:?}");
    let address = folder.data();
    let started = run(&[
        "up",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(&address),
        "--set",
        &from_file,
        "--set",
        "cache.backend=redis",
    ]);
    // It was read, since what it names was asked for.
    assert!(!started.success && started.err.contains("cache.redis_url: "), "{started:?}");
    assert!(!started.err.contains("is empty") && !started.err.contains("hunter2"), "{started:?}");
    let both = show(&["--set", &from_file, "--set", "cache.redis_url=redis://hunter2@x/"], &[]);
    assert!(!both.success && both.err.contains("cache.redis_url_file"), "{both:?}");
    assert!(!both.err.contains("hunter2"), "{both:?}");
    let absent = show(&["--set", "cache.redis_url_file=/nonexistent"], &[]);
    assert!(!absent.success && absent.err.contains("/nonexistent"), "{absent:?}");
}
