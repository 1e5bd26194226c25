//! Where a stream of server-sent events is, in the words of its event ids, so that a client that only sends the
//! last of them back resumes everything at once.
//!
//! An id is `set.useq.place.place…`: the places stand in the order of the conversations in the address, so that
//! none is named again; `set` is a fingerprint of that list and of the epoch, so that an id is not taken for
//! one of another address or of other data.

use serde::Deserialize;
use tertulia_contracts::{ConversationId, frames::Resume};
use tertulia_runtime::hash::fnv1a;

/// The positions that a stream has told so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    set: u64,
    /// None until it is known.
    useq: Option<u64>,
    /// The head of the user's log when the stream began.
    head_useq: u64,
    places: Vec<(ConversationId, Spot)>,
}

/// Where a stream is in one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Not there yet: it wants what happens from now on.
    Wanted,
    /// It has told everything up to here.
    At(u64),
    /// It may not be read; it is not asked for again.
    Closed,
}

/// What a frame means to a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Noted<'a> {
    /// The frame's `t`.
    pub name: &'a str,
    /// The cursor moved.
    pub moved: bool,
    /// A conversation could not be opened just now; whoever comes again gets another try.
    pub come_again: bool,
}

impl Cursor {
    /// A cursor that stands here.
    pub(crate) fn new(epoch: &str, useq: Option<u64>, places: Vec<(ConversationId, Spot)>) -> Self {
        let set = fingerprint(epoch, places.iter().map(|(c, _)| *c));
        Self { set, useq, head_useq: 0, places }
    }

    /// The cursor of an event id; none if it is of another epoch, of another list, or no id of ours.
    pub(crate) fn read(id: &str, epoch: &str, conversations: &[ConversationId]) -> Option<Self> {
        let mut parts = id.split('.');
        let set = u64::from_str_radix(parts.next()?, 16).ok()?;
        let useq = Some(parts.next()?.parse().ok()?);
        let spots: Vec<Spot> = parts.map(Spot::read).collect::<Option<_>>()?;
        let expected = fingerprint(epoch, conversations.iter().copied());
        let fits = set == expected && spots.len() == conversations.len();
        let places = conversations.iter().copied().zip(spots).collect();
        fits.then_some(Self { set, useq, head_useq: 0, places })
    }

    /// The event id; none before it is known where the user's log stands.
    pub(crate) fn id(&self) -> Option<String> {
        let mut id = format!("{:x}.{}", self.set, self.useq?);
        for (_, spot) in &self.places {
            id.push('.');
            match spot {
                Spot::Wanted => id.push('w'),
                Spot::At(seq) => id.push_str(&seq.to_string()),
                Spot::Closed => id.push('x'),
            }
        }
        Some(id)
    }

    /// What a hello says to go on from here.
    pub(crate) fn resume(&self, epoch: &str) -> Resume {
        let at = |(c, spot): &(ConversationId, Spot)| match spot {
            Spot::At(seq) => Some((*c, *seq)),
            Spot::Wanted | Spot::Closed => None,
        };
        let seqs = self.places.iter().filter_map(at).collect();
        Resume { epoch: Some(epoch.to_owned()), useq: self.useq.unwrap_or(0), seqs }
    }

    /// The conversations that are wanted from now on.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = ConversationId> {
        self.places.iter().filter(|(_, spot)| *spot == Spot::Wanted).map(|(c, _)| *c)
    }

    /// Takes note of a frame that the stream tells.
    pub(crate) fn note<'a>(&mut self, frame: &'a str) -> Noted<'a> {
        let told: Told<'a> = serde_json::from_str(frame).expect("a frame was encoded here, with a `t`");
        let before = (self.useq, told.c.and_then(|c| self.spot(c).copied()));
        match (told.t, told.c) {
            // Without a place of its own the stream begins at the head; with one, entries behind it follow.
            ("ready", _) => {
                self.head_useq = told.useq.unwrap_or(0);
                self.useq.get_or_insert(self.head_useq);
            }
            ("resync", None) => self.useq = self.useq.max(Some(self.head_useq)),
            ("user", _) => self.useq = told.useq,
            ("event", Some(c)) => self.put(c, told.seq.map(Spot::At)),
            ("opened", Some(c)) => self.put(c, told.head.map(Spot::At)),
            ("closed", Some(c)) => self.put(c, Some(Spot::Closed)),
            ("error", Some(c)) if told.retry_after.is_none() => self.put(c, Some(Spot::Closed)),
            _ => {}
        }
        let moved = before != (self.useq, told.c.and_then(|c| self.spot(c).copied()));
        Noted { name: told.t, moved, come_again: told.t == "error" && told.retry_after.is_some() }
    }

    fn spot(&mut self, of: ConversationId) -> Option<&mut Spot> {
        self.places.iter_mut().find(|(c, _)| *c == of).map(|(_, spot)| spot)
    }

    /// What is watched has no place: it is told by its head whenever it is opened.
    fn put(&mut self, c: ConversationId, spot: Option<Spot>) {
        if let (Some(place), Some(spot)) = (self.spot(c), spot) {
            *place = spot;
        }
    }
}

impl Spot {
    fn read(text: &str) -> Option<Self> {
        match text {
            "w" => Some(Self::Wanted),
            "x" => Some(Self::Closed),
            seq => seq.parse().ok().map(Self::At),
        }
    }
}

/// The members of a frame that say where it belongs. Whatever else it holds is passed over unread.
#[derive(Deserialize)]
struct Told<'a> {
    t: &'a str,
    c: Option<ConversationId>,
    seq: Option<u64>,
    useq: Option<u64>,
    head: Option<u64>,
    retry_after: Option<u64>,
}

/// Tells one list from another; nobody gains anything by a collision.
fn fingerprint(epoch: &str, conversations: impl Iterator<Item = ConversationId>) -> u64 {
    fnv1a(epoch.bytes().chain(conversations.flat_map(|c| c.ulid().to_bytes())))
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    fn conversations() -> [ConversationId; 3] {
        [1, 2, 3].map(|n| ConversationId::from_ulid(Ulid::from_parts(n, 7)))
    }

    #[test]
    fn an_id_says_where_the_stream_is_and_is_read_back() {
        let [a, b, c] = conversations();
        let places = vec![(a, Spot::At(12)), (b, Spot::Wanted), (c, Spot::Wanted)];
        let mut cursor = Cursor::new("1", None, places);
        assert_eq!(cursor.id(), None);
        let frames = [
            (r#"{"t":"ready","session":"con_1","epoch":"1","useq":4,"user":{}}"#.to_owned(), true),
            (format!(r#"{{"t":"event","c":"{a}","seq":13,"e":{{"t":"closed","seq":99}}}}"#), true),
            (r#"{"t":"user","useq":5,"e":{}}"#.to_owned(), true),
            (format!(r#"{{"t":"opened","c":"{b}","head":7}}"#), true),
            (format!(r#"{{"t":"error","c":"{c}","code":"not_found","detail":""}}"#), true),
            (format!(r#"{{"t":"dirty","c":"{a}","head":99}}"#), false),
            (format!(r#"{{"t":"typing","c":"{a}","user":"usr_1"}}"#), false),
        ];
        for (frame, moves) in &frames {
            assert_eq!(cursor.note(frame).moved, *moves, "{frame}");
        }
        let id = cursor.id().unwrap();
        assert_eq!(id.split('.').skip(1).collect::<Vec<_>>(), ["5", "13", "7", "x"]);
        assert_eq!(Cursor::read(&id, "1", &[a, b, c]).and_then(|read| read.id()), Some(id));
    }

    #[test]
    fn an_id_of_another_list_or_epoch_is_nobodys() {
        let [a, b, c] = conversations();
        let id = Cursor::new("1", Some(3), vec![(a, Spot::At(1)), (b, Spot::At(2))]).id().unwrap();
        assert!(Cursor::read(&id, "1", &[a, b]).is_some());
        assert_eq!(Cursor::read(&id, "2", &[a, b]), None);
        for other in [&[b, a][..], &[a, c], &[a], &[a, b, c], &[]] {
            assert_eq!(Cursor::read(&id, "1", other), None);
        }
        for broken in ["", ".", "1", "x.1", &id.replace('.', ","), &format!("{id}.1"), &format!("{id}y")] {
            assert_eq!(Cursor::read(broken, "1", &[a, b]), None, "{broken}");
        }
    }

    #[test]
    fn a_resync_of_the_users_log_goes_on_from_ready() {
        let mut cursor = Cursor::new("1", Some(2), Vec::new());
        cursor.note(r#"{"t":"ready","useq":5000}"#);
        assert_eq!(cursor.useq, Some(2), "the entries behind it follow");
        cursor.note(r#"{"t":"resync"}"#);
        assert_eq!(cursor.useq, Some(5000), "or they do not");
    }

    #[test]
    fn what_cannot_be_opened_just_now_keeps_its_place() {
        let [a, ..] = conversations();
        let mut cursor = Cursor::new("1", Some(2), vec![(a, Spot::At(12))]);
        let frame =
            format!(r#"{{"t":"error","c":"{a}","code":"log_unreadable","detail":"","retry_after":1}}"#);
        assert_eq!(cursor.note(&frame), Noted { name: "error", moved: false, come_again: true });
        assert_eq!(cursor.resume("1").seqs.get(&a), Some(&12));
    }
}
