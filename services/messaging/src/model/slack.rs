//! What Slack's incoming webhooks take, as a message of ours.
//!
//! Sources: "Sending messages using incoming webhooks", "Reference: Message payloads" and "Blocks" in Slack's documentation.
//! What is not text (buttons, colours) is left out, pictures are links, and what is not known is passed over, as Slack does.

mod blocks;
mod mrkdwn;

use serde::Deserialize;
use tertulia_contracts::messaging::{
    MAX_BODY_CHARS, MAX_HOOK_NAME_CHARS, MAX_ICON_URL_BYTES, body as check_body,
};
use utoipa::ToSchema;

use blocks::Block;
use mrkdwn::{escaped, escaped_within, inline, to_commonmark};

/// The most attachments of a payload, as Slack has it.
pub const MAX_ATTACHMENTS: usize = 100;
/// The most blocks of a payload, as Slack has it.
pub const MAX_BLOCKS: usize = 50;

/// A payload.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = SlackPayload)]
pub struct Payload {
    /// `mrkdwn`; shown unless there are blocks.
    text: Option<String>,
    /// Who seems to say it, instead of the hook's name.
    username: Option<String>,
    /// An emoji such as `:ghost:` that is shown beside it.
    icon_emoji: Option<String>,
    /// A picture that is shown beside it: an `https` address of at most 2,048 bytes.
    icon_url: Option<String>,
    /// Whether `text` is `mrkdwn`; it is if absent.
    mrkdwn: Option<bool>,
    /// Whether names behind an `@` call people; they do not if absent. `true` or `1`.
    #[schema(value_type = Option<bool>)]
    link_names: Option<serde_json::Value>,
    /// Shown below.
    attachments: Option<Vec<Attachment>>,
    /// Shown instead of `text`: `section`, `header`, `divider`, `context`, `image` and `rich_text`.
    #[schema(value_type = Option<Vec<Object>>)]
    blocks: Option<Vec<Block>>,
}

/// An attachment of the older kind.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = SlackAttachment)]
struct Attachment {
    /// Plain text for where nothing else can be shown.
    fallback: Option<String>,
    /// Above the rest.
    pretext: Option<String>,
    /// Whose it is.
    author_name: Option<String>,
    /// Its title.
    title: Option<String>,
    /// Where the title leads.
    title_link: Option<String>,
    /// Its text.
    text: Option<String>,
    /// A small table.
    fields: Option<Vec<Field>>,
    /// A picture, shown as a link.
    image_url: Option<String>,
    /// Below the rest.
    footer: Option<String>,
    /// Shown with the rest.
    #[schema(value_type = Option<Vec<Object>>)]
    blocks: Option<Vec<Block>>,
}

/// A row of an attachment's table.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = SlackField)]
struct Field {
    /// What it is.
    title: Option<String>,
    /// Its value.
    value: Option<String>,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `CommonMark` that keeps the rule for bodies.
    pub body: String,
    /// Who seems to say it, if the payload names somebody.
    pub username: Option<String>,
    /// The emoji beside it.
    pub icon_emoji: Option<String>,
    /// The picture beside it.
    pub icon_url: Option<String>,
}

/// Why a payload becomes no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsayable {
    /// There is nothing in it to show.
    NoText,
    /// More attachments than [`MAX_ATTACHMENTS`].
    TooManyAttachments,
    /// More blocks than [`MAX_BLOCKS`].
    TooManyBlocks,
}

impl Payload {
    /// What it says. What is longer than a message can be is cut off, as Slack does.
    ///
    /// # Errors
    /// It becomes no message.
    pub fn read(self) -> Result<Said, Unsayable> {
        let attachments = self.attachments.unwrap_or_default();
        let blocks = self.blocks.unwrap_or_default();
        if attachments.len() > MAX_ATTACHMENTS {
            return Err(Unsayable::TooManyAttachments);
        }
        let inner = attachments.iter().filter_map(|attachment| attachment.blocks.as_ref()).map(Vec::len);
        if blocks.len() + inner.sum::<usize>() > MAX_BLOCKS {
            return Err(Unsayable::TooManyBlocks);
        }
        let names = self.link_names.is_some_and(|said| said == true || said == 1);
        let mut parts: Vec<String> = blocks.into_iter().flat_map(Block::parts).collect();
        if parts.iter().all(|part| is_blank(part)) {
            let text = tidy(&self.text.unwrap_or_default());
            parts = vec![match self.mrkdwn {
                Some(false) => escaped(&text),
                _ => to_commonmark(&text, names),
            }];
        }
        parts.extend(attachments.into_iter().flat_map(Attachment::parts));
        let parts: Vec<&str> =
            parts.iter().map(|part| part.trim_matches('\n')).filter(|part| !part.trim().is_empty()).collect();
        let body = cut(parts.join("\n\n"));
        // Rules alone are nothing to see.
        if parts.iter().all(|part| is_blank(part)) || check_body(&body, &()).is_err() {
            return Err(Unsayable::NoText);
        }
        Ok(Said {
            body,
            username: self.username.and_then(|name| one_line(&name)),
            icon_emoji: self.icon_emoji.filter(|emoji| is_short_name(emoji)),
            icon_url: self.icon_url.filter(|url| is_picture(url)),
        })
    }
}

const RULE: &str = "---";

fn is_blank(part: &str) -> bool {
    part.trim().is_empty() || part == RULE
}

/// The beginning of what is too long.
fn cut(body: String) -> String {
    if body.chars().count() <= MAX_BODY_CHARS {
        return body;
    }
    let kept: String = body.chars().take(MAX_BODY_CHARS - 1).collect();
    // Not behind half of an escaped character.
    format!("{}…", kept.trim_end_matches('\\'))
}

fn one_line(name: &str) -> Option<String> {
    let name = tidy(name).replace(['\n', '\t'], " ");
    let name: String = name.trim().chars().take(MAX_HOOK_NAME_CHARS).collect();
    Some(name).filter(|name| !name.is_empty())
}

fn is_short_name(emoji: &str) -> bool {
    let name = emoji.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap_or_default();
    let fits = |it: char| it.is_ascii_alphanumeric() || "_+-:".contains(it);
    (1..=MAX_HOOK_NAME_CHARS).contains(&name.len()) && name.chars().all(fits)
}

fn is_picture(url: &str) -> bool {
    url.len() <= MAX_ICON_URL_BYTES
        && url::Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host())
}

/// Without the characters that no message holds.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

fn marked(text: &str) -> String {
    to_commonmark(&tidy(text), false)
}

fn plain(text: &str) -> String {
    escaped(&tidy(text))
}

/// On one line and bold; nothing of nothing.
fn bold(text: &str) -> String {
    let line = tidy(text).replace(['\n', '\t'], " ");
    let line = line.trim();
    if line.is_empty() { String::new() } else { format!("**{}**", escaped_within(line)) }
}

/// A link, or what it is called if it may not be followed.
fn link(url: &str, label: &str) -> String {
    // A text that ends nothing when it stands within a reference.
    let within = |text: &str| {
        let text = tidy(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace(['|', '\n'], " ")
    };
    let (url, label) = (within(url), within(label));
    if url.trim().is_empty() { inline(&label) } else { inline(&format!("<{url}|{label}>")) }
}

impl Attachment {
    fn parts(self) -> Vec<String> {
        let title = self.title.unwrap_or_default();
        let title = match self.title_link {
            Some(url) if !title.trim().is_empty() => link(&url, &title),
            _ => bold(&title),
        };
        let mut parts = vec![marked(&self.pretext.unwrap_or_default())];
        parts.push(plain(&self.author_name.unwrap_or_default()));
        parts.push(title);
        parts.push(marked(&self.text.unwrap_or_default()));
        parts.extend(self.fields.unwrap_or_default().into_iter().map(Field::shown));
        parts.extend(self.blocks.unwrap_or_default().into_iter().flat_map(Block::parts));
        parts.push(self.image_url.map(|url| link(&url, &url)).unwrap_or_default());
        if parts.iter().all(|part| is_blank(part)) {
            parts.push(plain(&self.fallback.unwrap_or_default()));
        }
        parts.push(plain(&self.footer.unwrap_or_default()));
        parts
    }
}

impl Field {
    fn shown(self) -> String {
        let title = bold(&self.title.unwrap_or_default());
        let value = marked(&self.value.unwrap_or_default());
        let between = if title.is_empty() || is_blank(&value) { "" } else { "  \n" };
        format!("{title}{between}{value}")
    }
}

#[cfg(test)]
mod tests;
