//! `tertulia doctor`, on an instance that runs and on one that does not.

use std::fs;

use reqwest::Method;
use serde_json::Value;
use tertulia_testbed::{Testbed, redis};

use crate::{
    process::{DEADLINE, Folder, Outcome, Product, text},
    wire::request,
};

fn wrong(outcome: &Outcome) -> Vec<&str> {
    outcome.out.lines().filter(|line| line.starts_with("WRONG")).collect()
}

#[test]
fn a_healthy_instance_is_well_whether_it_runs_or_not() {
    let folder = Folder::new();
    let examine = || folder.run(&["doctor", "--set", "node.listen=127.0.0.1:0"]);
    let mut product = Product::up(&folder, &[]);
    let running = examine();
    assert!(running.success, "{running:?}");
    for word in
        ["a process is running", "documents:auth", "documents:messaging", "bus", "mail", "all is well"]
    {
        assert!(running.out.to_lowercase().contains(word), "{word}: {running:?}");
    }
    product.stop();
    let stopped = examine();
    assert!(stopped.success, "{stopped:?}");
    for word in [
        "documents of auth",
        "documents of messaging",
        "bus",
        "cache",
        "discovery",
        "mail (outbox)",
        "all is well",
    ] {
        assert!(stopped.out.to_lowercase().contains(word), "{word}: {stopped:?}");
    }
    assert!(!stopped.out.contains("A process is running"), "{stopped:?}");
}

#[test]
fn each_thing_that_is_wrong_is_named_and_the_rest_is_examined() {
    let folder = Folder::new();
    Product::up(&folder, &[]).stop();
    for file in fs::read_dir(folder.data()).unwrap().map(|file| file.unwrap().path()) {
        if text(&file).contains("auth.db") {
            fs::remove_file(file).unwrap();
        }
    }
    fs::write(folder.data().join("auth.db"), "this is not a database, whatever its name says").unwrap();
    let nobody = [
        "cache.backend=redis",
        "cache.redis_url=redis://ana:hunter2@127.0.0.1:1/",
        "mail.backend=smtp",
        "mail.smtp_url=smtp://ana:hunter2@127.0.0.1:1",
        "mail.from=us@example.org",
        "node.public_url=https://chat.example",
    ];
    let nobody: Vec<&str> = nobody.into_iter().flat_map(|setting| ["--set", setting]).collect();
    let command = [&["doctor", "--set", "node.listen=127.0.0.1:0"][..], &nobody].concat();
    let outcome = folder.run(&command);
    assert!(!outcome.success, "{outcome:?}");
    let wrong = wrong(&outcome);
    assert_eq!(wrong.len(), 3, "{outcome:?}");
    assert!(wrong[0].contains("documents of auth") && wrong[0].contains("auth.db"), "{outcome:?}");
    assert!(wrong[1].contains("cache.redis_url"), "{outcome:?}");
    assert!(wrong[2].contains("mail (smtp): answers"), "{outcome:?}");
    assert!(outcome.out.contains("3 things are wrong."), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
}

#[test]
fn a_folder_that_is_none_is_wrong() {
    let folder = Folder::new();
    folder.file("data", "");
    let outcome = folder.run(&["doctor"]);
    assert!(!outcome.success && outcome.out.contains("WRONG  data folder: node.data"), "{outcome:?}");
}

#[tokio::test]
async fn a_running_instance_says_which_back_end_it_lost() {
    let bed = Testbed::new().unwrap();
    let mut server = redis::start(&bed).await.unwrap();
    let folder = Folder::new();
    let url = format!("cache.redis_url={}", server.url());
    let product = Product::up(&folder, &["--set", "cache.backend=redis", "--set", &url]);
    assert!(folder.run(&["doctor"]).success);
    server.kill().await.unwrap();
    // Readiness is at most a second old, so it may take that long to show.
    let noticed = async {
        loop {
            let answer = request(&product, Method::GET, "/health/ready", "").send().await.unwrap();
            assert!(answer.status().is_success(), "the cache is no reason to send nobody here");
            let ready = answer.json::<Value>().await.unwrap();
            if ready["checks"]["cache"]["status"] != "up" {
                return ready;
            }
        }
    };
    let ready = tokio::time::timeout(DEADLINE, noticed).await.unwrap();
    assert_eq!(ready["status"], "degraded", "{ready}");
    let outcome = folder.run(&["doctor"]);
    assert!(!outcome.success, "{outcome:?}");
    assert_eq!(wrong(&outcome).len(), 1, "{outcome:?}");
    assert!(wrong(&outcome)[0].starts_with("WRONG  cache: "), "{outcome:?}");
    // And it serves, all the same.
    product.member("ana").await;
}
