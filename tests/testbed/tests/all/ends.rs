//! Whatever way a test process ends, its servers end with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{eventually, processes_in};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tertulia_testbed::{Testbed, redis};

#[tokio::test]
async fn servers_end_with_a_process_that_is_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut up = up(temporary.path(), &["redis", "rabbitmq", "ferretdb"]);
    let folder = only_folder_in(temporary.path());
    assert!(processes_in(&folder).len() > 5, "redis, beam, epmd, ferretdb, postgres and its workers");

    up.0.kill().unwrap();
    up.0.wait().unwrap();

    eventually("no process and no folder is left", async || {
        processes_in(&folder).is_empty() && !folder.exists()
    })
    .await;
}

#[tokio::test]
async fn servers_stop_with_a_process_that_is_asked_to() {
    let temporary = tempfile::tempdir().unwrap();
    let mut up = up(temporary.path(), &["redis", "consul"]);
    let folder = only_folder_in(temporary.path());
    assert_eq!(processes_in(&folder).len(), 2, "redis and consul");

    kill(Pid::from_raw(up.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();

    assert!(up.0.wait().unwrap().success());
    assert_eq!(processes_in(&folder), Vec::<String>::new());
    assert!(!folder.exists());
}

#[tokio::test]
async fn servers_end_when_they_are_dropped() {
    let bed = Testbed::new().unwrap();
    let folder = bed.folder().to_owned();
    let server = redis::start(&bed).await.unwrap();
    drop(bed);
    assert_eq!(processes_in(&folder).len(), 1, "a server keeps its test bed");
    drop(server);
    assert_eq!(processes_in(&folder), Vec::<String>::new());
    assert!(!folder.exists());
}

#[test]
fn a_missing_server_is_an_error_that_names_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["up", "consul"])
        .env("XDG_CACHE_HOME", empty.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("consul is not installed"), "{error}");
    assert!(error.contains("tests/testbed/install consul"), "{error}");
}

/// A `testbed up`, which ends with its test.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended as the test wished.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `testbed up` and waits until it is ready.
fn up(temporary: &Path, servers: &[&str]) -> Up {
    let child = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("up")
        .args(servers)
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = Up(child);
    let lines = BufReader::new(up.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let names: Vec<String> = lines
        .take_while(|line| line != "ready")
        .map(|line| line.split_once('=').expect("NAME=URL").0.to_owned())
        .collect();
    assert_eq!(names, servers);
    up
}

fn only_folder_in(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let only = entries.next().expect("the test bed's folder");
    assert!(entries.next().is_none());
    only
}
