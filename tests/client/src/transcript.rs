//! Transcripts of what clients and servers say to each other, and the names that stand in them for what differs each
//! time. `transcripts/README.md` says what a line means.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};
use tertulia_contracts::presence::{ChosenStatus, DeviceStatus, PresenceStatus};
use ulid::Ulid;

/// One conversation between a client and a server.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Its file's name.
    pub name: String,
    /// What happens, one after the other.
    pub lines: Vec<Line>,
}

/// What happens next.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Conversations that are there, and how many messages each holds.
    Given(BTreeMap<String, u64>),
    /// The person in front of the client wants something.
    Want(Want),
    /// The client says this.
    #[serde(rename = "C")]
    Client(Value),
    /// The server says this.
    #[serde(rename = "S")]
    Server(Value),
    /// The server says these, in any order.
    #[serde(rename = "S*")]
    ServerInAnyOrder(Vec<Value>),
    /// The server says these, in any order, and the client does not hear them: the cut comes first.
    Lost(Vec<Value>),
    /// Somebody else posts.
    Post {
        /// Where.
        c: String,
        /// What.
        body: String,
    },
    /// Somebody is seen so from now on, by the one whose client it is.
    Presence {
        /// Who.
        user: String,
        /// As what.
        status: ChosenStatus,
    },
    /// How the client has seen people so far, in order.
    Seen(Vec<(String, PresenceStatus)>),
    /// The login is ended.
    Revoke(bool),
    /// The server closes the socket with this code.
    Close(u16),
    /// The connection is cut.
    Cut(bool),
    /// The positions that the client has applied so far, in order.
    Shown(BTreeMap<String, Vec<u64>>),
    /// The client is over, for this reason.
    Over(String),
}

/// What a person wants of a client.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Want {
    /// To follow a conversation.
    Open {
        /// Which.
        open: String,
        /// From behind this position.
        after: Option<u64>,
    },
    /// To say something.
    Send {
        /// Where.
        send: String,
        /// What.
        body: String,
    },
    /// To follow a conversation no longer.
    Close {
        /// Which.
        close: String,
    },
    /// To see whether people are there.
    Watch {
        /// Who.
        watch_people: Vec<String>,
    },
    /// To be seen as using this device, or not.
    Be {
        /// Which of the two.
        be: DeviceStatus,
    },
}

/// Every transcript, in the order of their names.
///
/// # Panics
/// When a file cannot be read, or is not what the README says.
pub fn transcripts() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(&folder).expect("the folder stands beside this crate's sources");
    let paths = files.map(|file| file.expect("a folder that was opened can be read").path());
    let mut transcripts: Vec<Transcript> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .map(|path| read(&path))
        .collect();
    transcripts.sort_by(|one, other| one.name.cmp(&other.name));
    transcripts
}

fn read(path: &Path) -> Transcript {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a transcript is text");
    let line = |(nth, text): (usize, &str)| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}, line {}: {error}", nth + 1))
    };
    let lines = text.lines().enumerate().map(line).collect();
    Transcript { name, lines }
}

/// What the names of one transcript stand for so far.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// A name stands for this.
    pub fn bind(&mut self, name: &str, value: &impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    /// What a name stands for; something new of its kind if it stands for nothing yet.
    pub fn get(&mut self, name: &str) -> String {
        let number = self.0.len() as u64 + 1;
        let ulid = Ulid::from_parts(1_700_000_000_000 + number, number.into());
        let new = || match name.trim_start_matches('$').split('_').next() {
            Some(kind @ ("cnv" | "usr" | "msg" | "con")) => format!("{kind}_{ulid}"),
            Some("ulid") => ulid.to_string(),
            Some("time") => format!("2026-01-01T00:00:{:02}Z", number % 60),
            _ => name.trim_start_matches('$').to_owned(),
        };
        self.0.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// A frame with what its names stand for.
    pub fn fill(&mut self, frame: &Value) -> Value {
        match frame {
            Value::String(text) if text.starts_with('$') => Value::String(self.get(text)),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                let filled = members.iter().map(|(key, value)| (self.fill_key(key), self.fill(value)));
                Value::Object(filled.collect())
            }
            plain => plain.clone(),
        }
    }

    fn fill_key(&mut self, key: &str) -> String {
        if key.starts_with('$') { self.get(key) } else { key.to_owned() }
    }

    /// Whether what was said is this frame. Names that stand for nothing yet stand for what was said from now on;
    /// if it is not this frame, all is as before.
    pub fn are(&mut self, frame: &Value, said: &Value, exactly: bool) -> bool {
        let mut names = self.clone();
        let fits = names.fit(frame, said, exactly);
        if fits {
            *self = names;
        }
        fits
    }

    fn fit(&mut self, frame: &Value, said: &Value, exactly: bool) -> bool {
        match (frame, said) {
            (Value::String(name), Value::String(said)) if name.starts_with('$') => {
                self.0.entry(name.clone()).or_insert_with(|| said.clone()) == said
            }
            (Value::Object(frame), Value::Object(said)) => self.fit_members(frame, said, exactly),
            (Value::Array(frame), Value::Array(said)) => {
                let mut pairs = frame.iter().zip(said);
                frame.len() == said.len() && pairs.all(|(frame, said)| self.fit(frame, said, exactly))
            }
            (frame, said) => frame == said,
        }
    }

    fn fit_members(&mut self, frame: &Map<String, Value>, said: &Map<String, Value>, exactly: bool) -> bool {
        let no_more = !exactly || frame.len() == said.len();
        no_more
            && frame.iter().all(|(key, value)| {
                let key = self.fill_key(key);
                said.get(&key).is_some_and(|said| self.fit(value, said, exactly))
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_stands_for_what_was_said_first_and_for_nothing_else() {
        let mut names = Names::default();
        let frame = json!({"t": "open", "c": "$cnv_a"});
        assert!(names.are(&frame, &json!({"t": "open", "c": "cnv_1"}), true));
        assert!(names.are(&frame, &json!({"t": "open", "c": "cnv_1", "new": 1}), false));
        assert!(!names.are(&frame, &json!({"t": "open", "c": "cnv_1", "new": 1}), true));
        assert!(!names.are(&frame, &json!({"t": "open", "c": "cnv_2"}), true));
        assert!(!names.are(&json!({"t": "$text_1", "c": "x"}), &json!({"t": "open", "c": "y"}), true));
        assert_eq!(names.fill(&json!({"seqs": {"$cnv_a": 1}})), json!({"seqs": {"cnv_1": 1}}));
        assert_eq!(names.get("$text_1"), "text_1", "what did not fit bound nothing");
    }
}
