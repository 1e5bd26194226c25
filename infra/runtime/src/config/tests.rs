use std::{fs, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::{Layers, Loaded, Secret};

const DEFAULTS: &str = r#"
[node]
# Where it listens.
listen = "127.0.0.1:8080"
workers = 4
ratio = 0.5
verbose = false
peers = []
portals = []

[bus]
backend = "sqlite"
url = ""
url_file = ""
"#;

#[derive(Debug, Deserialize)]
struct Settings {
    node: Node,
    bus: Bus,
}

#[derive(Debug, Deserialize)]
struct Node {
    listen: SocketAddr,
    workers: u8,
    ratio: f64,
    verbose: bool,
    peers: Vec<String>,
    portals: Vec<Door>,
}

#[derive(Debug, Deserialize)]
struct Door {
    name: String,
    key_secret: Secret,
}

#[derive(Debug, Deserialize)]
struct Bus {
    backend: Backend,
    url: Secret,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Sqlite,
    Rabbitmq,
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn layers() -> Layers {
    Layers::new(DEFAULTS)
}

/// The errors, without the folder their files lie in.
fn wrong(layers: Layers, folder: &Folder) -> Vec<String> {
    let errors = layers.load::<Settings>().unwrap_err().to_string();
    let folder = format!("{}/", folder.0.path().display());
    errors.lines().map(|line| line.replace(&folder, "")).collect()
}

#[test]
fn the_later_layer_wins() {
    let folder = Folder::new();
    let file = folder
        .write("t.toml", "[node]\nworkers = 5\nratio = 1\npeers = [\"a\"]\n[bus]\nbackend = \"rabbitmq\"\n");
    let variables =
        [("T_NODE__WORKERS", "6"), ("T_NODE__PEERS", "b, c"), ("T_NODE__VERBOSE", "true"), ("HOME", "/")];
    let layers = layers().file(file).env("T", variables).flag("node.workers", "7");
    let Loaded { value, .. } = layers.load::<Settings>().unwrap();
    assert_eq!(value.node.workers, 7);
    assert_eq!(value.node.peers, ["b", "c"]);
    assert!(value.node.verbose);
    assert!((value.node.ratio - 1.0).abs() < f64::EPSILON);
    assert_eq!(value.bus.backend, Backend::Rabbitmq);
    assert_eq!(value.node.listen.port(), 8080);
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let folder = Folder::new();
    let text = "[node]\nlistn = \"x\"\nworkers = \"many\"\n\n[buss]\nbackend = \"sqlite\"\n";
    let variables = [
        ("T_NODE__VERBOSE", "perhaps"),
        ("T_NODE_WORKERS", "1"),
        ("T_BUS__BACKEND", "kafka"),
        ("T_HOME", "x"),
    ];
    let layers = layers()
        .file(folder.write("t.toml", text))
        .env("T", variables)
        .flag("node.listen", "nowhere")
        .flag("node", "1");
    let expected = [
        "t.toml:6: there is no key buss.backend; did you mean bus.backend?",
        "t.toml:2: there is no key node.listn; did you mean node.listen?",
        "t.toml:3: node.workers is text; it should be a whole number",
        "T_NODE__VERBOSE: node.verbose is text; it should be true or false",
        "T_NODE_WORKERS: sets nothing; did you mean T_NODE__WORKERS?",
        "command line: node is a section and takes no value of its own",
        "T_BUS__BACKEND: bus.backend: unknown variant `kafka`, expected `sqlite` or `rabbitmq`",
        "command line: node.listen: invalid socket address syntax",
    ];
    assert_eq!(wrong(layers, &folder), expected);
}

#[test]
fn a_file_that_is_absent_or_not_toml_is_an_error() {
    let folder = Folder::new();
    let absent = wrong(layers().file(folder.0.path().join("none.toml")), &folder);
    assert!(absent[0].starts_with("none.toml: cannot be read: "), "{absent:?}");
    let broken = wrong(layers().file(folder.write("t.toml", "[node]\nworkers = = 5\n")), &folder);
    assert!(broken[0].starts_with("t.toml:2: is not TOML: "), "{broken:?}");
}

#[test]
fn a_value_out_of_its_types_range_is_an_error() {
    let folder = Folder::new();
    let errors = wrong(layers().flag("node.workers", "300"), &folder);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("command line: node.workers: "), "{errors:?}");
}

#[test]
fn a_secret_is_read_from_its_file_and_never_shown() {
    let folder = Folder::new();
    let file = folder.write("url", "amqp://u:hunter2@host\n");
    let loaded = layers().env("T", [("T_BUS__URL_FILE", file.as_os_str())]).load::<Settings>().unwrap();
    assert_eq!(loaded.value.bus.url.expose(), "amqp://u:hunter2@host");
    assert!(!loaded.value.bus.url.is_empty());
    let shown = format!("{loaded:?} {} {}", loaded.value.bus.url, loaded.describe());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("url = \"(secret)\"  # "), "{shown}");
    assert!(shown.contains("[node]\nlisten = \"127.0.0.1:8080\"  # default\n"), "{shown}");
    assert_eq!(serde_json::to_string(&loaded.value.bus.url).unwrap(), "\"(secret)\"");
}

#[test]
fn a_secret_and_its_file_together_are_an_error() {
    let folder = Folder::new();
    let both = layers().flag("bus.url", "amqp://hunter2").flag("bus.url_file", "/dev/null");
    let errors = wrong(both, &folder);
    assert_eq!(errors, ["command line: bus.url_file and bus.url are both set; only one may be"]);
    let absent = wrong(layers().flag("bus.url_file", "/nonexistent"), &folder);
    assert!(absent[0].starts_with("command line: bus.url_file: /nonexistent cannot be read"), "{absent:?}");
}

#[test]
fn what_is_shown_is_a_file_again() {
    let defaults = "[node]\na = 1\nz = 2\n[node.inner]\nb = 3\n";
    let shown = Layers::new(defaults).load::<toml::Table>().unwrap().describe();
    assert_eq!(shown.parse::<toml::Table>().unwrap(), defaults.parse().unwrap());
    let values: Vec<_> = shown.lines().filter_map(|line| line.split("  #").next()).collect();
    assert_eq!(values, ["[node]", "a = 1", "z = 2", "", "[node.inner]", "b = 3"]);
}

#[test]
fn a_list_of_sections_keeps_its_secrets_from_file_and_environment() {
    let folder = Folder::new();
    let secret = folder.write("key", "hunter2\n");
    let text =
        format!("[[node.portals]]\nname = \"front\"\nkey_secret_file = {:?}\n", secret.to_str().unwrap());
    let file = folder.write("config", &text);
    let variable = "[{name = \"back\", key_secret = \"hunter3\"}]";
    for (layers, name, key) in [
        (layers().file(&file), "front", "hunter2"),
        (layers().env("T", [("T_NODE__PORTALS", variable)]), "back", "hunter3"),
    ] {
        let loaded = layers.load::<Settings>().unwrap();
        let [door] = &loaded.value.node.portals[..] else { panic!("{loaded:?}") };
        assert_eq!((door.name.as_str(), door.key_secret.expose()), (name, key));
        let shown = loaded.describe();
        assert!(shown.contains(name) && !shown.contains("hunter"), "{shown}");
    }
    let absent = "[{name = \"back\", key_secret_file = \"/nonexistent\"}]";
    let errors = wrong(layers().flag("node.portals", absent), &folder);
    assert!(
        errors[0].starts_with("command line: node.portals: key_secret_file: /nonexistent cannot be read"),
        "{errors:?}"
    );
    let both = "[{name = \"back\", key_secret = \"hunter4\", key_secret_file = \"/dev/null\"}]";
    let errors = wrong(layers().flag("node.portals", both), &folder);
    assert_eq!(
        errors,
        ["command line: node.portals: key_secret_file and key_secret are both set; only one may be"]
    );
}
