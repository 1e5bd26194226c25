//! As little of XMPP as it takes to be in a room: streams and stanzas (RFC 6120), registration (XEP-0077), rooms
//! (XEP-0045), and the archive's count (XEP-0313). Like [`crate::wire`], it looks for no more in what it hears than
//! a measurement needs: finding the ends of stanzas, not parsing XML.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::memmem;
use tertulia_runtime::hash::fnv1a;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::wire::BUFFER_BYTES;

/// The host of the peers that the test bed starts.
const HOST: &str = "localhost";
const PASSWORD: &str = "correct horse battery";
const OPENING: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                       xmlns:stream='http://etherx.jabber.org/streams'>";

/// Somebody in a room.
pub(crate) struct Occupant {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: Vec<u8>,
    filled: usize,
    room: String,
    nick: String,
    said: u64,
}

/// What an occupant hears of a room.
pub(crate) struct Told {
    /// The same for all who hear it, and of no other message.
    pub mark: u64,
    /// It is the occupant's own, and the room has archived it.
    pub is_acknowledged: bool,
}

impl Occupant {
    /// Makes an account, logs in and enters the room, which is made by whoever comes first.
    pub(crate) async fn enter(address: SocketAddr, nick: &str, room: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting to the peer")?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let (room, nick) = (format!("{room}@rooms.{HOST}"), nick.to_owned());
        let mut occupant = Self { read, write, buffer: Vec::new(), filled: 0, room, nick, said: 0 };
        occupant.log_in().await.with_context(|| format!("logging in as {}", occupant.nick))?;
        let presence = format!(
            "<presence to='{}/{}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
            occupant.room, occupant.nick
        );
        // The last of what a room says to who enters is its subject (XEP-0045 §7.2.15).
        occupant.ask(&presence, b"</message>").await.context("entering the room")?;
        Ok(occupant)
    }

    async fn log_in(&mut self) -> Result<()> {
        let nick = self.nick.clone();
        self.ask(OPENING, b"</stream:features>").await?;
        let account = format!(
            "<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>{nick}</username>\
             <password>{PASSWORD}</password></query></iq>"
        );
        self.ask(&account, b"id='register'").await?;
        let secret = BASE64_STANDARD.encode(format!("\0{nick}\0{PASSWORD}"));
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>");
        self.ask(&auth, b"<success").await?;
        self.ask(OPENING, b"</stream:features>").await?;
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>";
        self.ask(bind, b"</iq>").await?;
        Ok(())
    }

    /// Says something and waits until this stands in what comes back; gives all that came.
    async fn ask(&mut self, question: &str, answer: &[u8]) -> Result<String> {
        self.write.write_all(question.as_bytes()).await?;
        let mut heard = Vec::new();
        loop {
            ensure!(self.read.read_buf(&mut heard).await? > 0, "the peer closed the connection");
            let found = memmem::find(&heard, answer);
            let text = || String::from_utf8_lossy(&heard).into_owned();
            if [&b"type='error'"[..], b"<failure", b"<stream:error"]
                .iter()
                .any(|refusal| memmem::find(&heard, refusal).is_some())
            {
                bail!("the peer refused: {}", text());
            }
            if found.is_some() && heard.ends_with(b">") {
                return Ok(text());
            }
        }
    }

    /// Says this in the room.
    pub(crate) async fn say(&mut self, text: &str) -> Result<()> {
        let (room, nick, nth) = (&self.room, &self.nick, self.said);
        let stanza =
            format!("<message to='{room}' type='groupchat' id='{nick}-{nth}'><body>{text}</body></message>");
        self.said += 1;
        Ok(self.write.write_all(stanza.as_bytes()).await?)
    }

    /// Reads once and hands on every message that is there whole.
    pub(crate) async fn hear(&mut self, mut each: impl FnMut(Told)) -> Result<()> {
        self.buffer.resize(BUFFER_BYTES, 0);
        let read = self.read.read(&mut self.buffer[self.filled..]).await?;
        ensure!(read > 0, "the peer closed the connection");
        self.filled += read;
        let mut start = 0;
        while let Some(message) = first_message(&self.buffer[start..self.filled]) {
            let stanza = &self.buffer[start + message.start..start + message.end];
            if let Some(told) = told(stanza, &self.nick)? {
                each(told);
            }
            start += message.end;
        }
        self.buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        Ok(())
    }

    /// How many messages the room's archive holds.
    pub(crate) async fn archived(&mut self) -> Result<u64> {
        let query = format!(
            "<iq type='set' id='count' to='{}'><query xmlns='urn:xmpp:mam:2'>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set></query></iq>",
            self.room
        );
        let answer = self.ask(&query, b"</iq>").await?;
        let (_, rest) = answer.split_once("<count>").with_context(|| format!("no count: {answer}"))?;
        Ok(rest.split('<').next().unwrap_or_default().parse()?)
    }
}

/// Where the first whole message stanza stands.
fn first_message(bytes: &[u8]) -> Option<Range<usize>> {
    const END: &[u8] = b"</message>";
    let end = memmem::find(bytes, END)? + END.len();
    // What stands before it is presence.
    let start = memmem::find(&bytes[..end], b"<message").unwrap_or(0);
    Some(start..end)
}

/// What a message stanza tells; nothing if it is none of the harness's.
fn told(stanza: &[u8], nick: &str) -> Result<Option<Told>> {
    ensure!(
        memmem::find(stanza, b"type='groupchat'").is_some(),
        "the peer refused: {}",
        String::from_utf8_lossy(stanza)
    );
    if memmem::find(stanza, b"<body>").is_none() {
        return Ok(None);
    }
    let id = attribute(stanza, b" id='").context("a message without an id")?;
    let is_own = id.strip_prefix(nick.as_bytes()).is_some_and(|rest| rest.starts_with(b"-"));
    let is_archived = memmem::find(stanza, b"<stanza-id").is_some();
    ensure!(is_archived, "a message that is not archived: {}", String::from_utf8_lossy(stanza));
    Ok(Some(Told { mark: fnv1a(id.iter().copied()), is_acknowledged: is_own }))
}

/// The value behind this beginning.
fn attribute<'a>(stanza: &'a [u8], beginning: &[u8]) -> Option<&'a [u8]> {
    let value = &stanza[memmem::find(stanza, beginning)? + beginning.len()..];
    Some(&value[..memchr::memchr(b'\'', value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: &[u8] = b"<presence from='a@rooms.localhost/n2'/><message id='n1-7' type='groupchat' \
        from='a@rooms.localhost/n1'><stanza-id id='17' by='a'/><body>x</body></message><message id='n1";

    #[test]
    fn whole_messages_are_found_and_the_own_ones_are_known() {
        let place = first_message(HEARD).unwrap();
        let stanza = &HEARD[place.clone()];
        assert!(stanza.starts_with(b"<message") && stanza.ends_with(b"</message>"));
        assert!(first_message(&HEARD[place.end..]).is_none());
        let own = told(stanza, "n1").unwrap().unwrap();
        let other = told(stanza, "n").unwrap().unwrap();
        assert_eq!((own.mark, own.is_acknowledged), (other.mark, true));
        assert!(!other.is_acknowledged, "a nick that another begins with");
    }

    #[test]
    fn a_subject_is_no_message_and_what_is_not_archived_is_an_error() {
        assert!(told(b"<message type='groupchat'><subject/></message>", "n1").unwrap().is_none());
        assert!(told(b"<message type='groupchat' id='n1-1'><body>x</body></message>", "n1").is_err());
        assert!(told(b"<message type='error' id='n1-1'><body>x</body></message>", "n1").is_err());
    }
}
