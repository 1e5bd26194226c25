//! Slack's blocks as `CommonMark`.

use serde::Deserialize;

use super::{
    RULE, bold, link, marked,
    mrkdwn::{code, escaped_within, fenced, inline, stacked},
    plain, tidy,
};

/// How deep lists are shown to nest.
const MAX_INDENT: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Section {
        text: Option<Element>,
        fields: Option<Vec<Element>>,
    },
    Header {
        text: Option<Element>,
    },
    Divider,
    Context {
        elements: Option<Vec<Element>>,
    },
    Image {
        image_url: Option<String>,
        alt_text: Option<String>,
        title: Option<Element>,
    },
    RichText {
        elements: Option<Vec<Rich>>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Element {
    Mrkdwn {
        text: String,
    },
    PlainText {
        text: String,
    },
    Image {
        alt_text: Option<String>,
    },
    #[serde(other)]
    Other,
}

/// A part of a rich text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Rich {
    #[serde(rename = "rich_text_section")]
    Section { elements: Option<Vec<Bit>> },
    #[serde(rename = "rich_text_quote")]
    Quote { elements: Option<Vec<Bit>> },
    #[serde(rename = "rich_text_preformatted")]
    Preformatted { elements: Option<Vec<Bit>> },
    #[serde(rename = "rich_text_list")]
    List { elements: Option<Vec<Rich>>, style: Option<String>, indent: Option<u8> },
    #[serde(other)]
    Other,
}

/// What stands within a line of a rich text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Bit {
    Text {
        text: String,
        style: Option<Style>,
    },
    Link {
        url: String,
        text: Option<String>,
    },
    Emoji {
        name: String,
    },
    User {
        user_id: String,
    },
    Channel {
        channel_id: String,
    },
    Broadcast {
        range: String,
    },
    Date {
        fallback: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "it is Slack's, and each of them is by itself")]
pub(super) struct Style {
    bold: bool,
    italic: bool,
    strike: bool,
    code: bool,
}

impl Block {
    pub(super) fn parts(self) -> Vec<String> {
        match self {
            Self::Section { text, fields } => {
                let fields = fields.unwrap_or_default().into_iter();
                text.into_iter().chain(fields).map(Element::shown).collect()
            }
            Self::Header { text: Some(Element::PlainText { text } | Element::Mrkdwn { text }) } => {
                vec![bold(&text)]
            }
            Self::Divider => vec![RULE.to_owned()],
            Self::Context { elements } => {
                let shown = elements.unwrap_or_default().into_iter().map(Element::shown);
                vec![shown.collect::<Vec<_>>().join(" ")]
            }
            Self::Image { image_url, alt_text, title } => {
                let alt = alt_text.filter(|alt| !alt.trim().is_empty());
                let (alt, url) = (alt.unwrap_or_else(|| "image".to_owned()), image_url.unwrap_or_default());
                vec![title.map(Element::shown).unwrap_or_default(), link(&url, &alt)]
            }
            Self::RichText { elements } => {
                elements.unwrap_or_default().into_iter().map(Rich::shown).collect()
            }
            Self::Header { .. } | Self::Other => Vec::new(),
        }
    }
}

impl Element {
    fn shown(self) -> String {
        match self {
            Self::Mrkdwn { text } => marked(&text),
            Self::PlainText { text } => plain(&text),
            Self::Image { alt_text } => plain(&alt_text.unwrap_or_default()),
            Self::Other => String::new(),
        }
    }
}

fn line_of(bits: Option<Vec<Bit>>) -> String {
    let mut line = String::new();
    for bit in bits.unwrap_or_default() {
        let shown = bit.shown();
        match (line.chars().next_back(), shown.chars().next()) {
            // Two stretches of code would be one, and a link behind an exclamation mark a picture.
            (Some('`'), Some('`')) => line.push(' '),
            (Some('!'), Some('[')) => line.insert(line.len() - 1, '\\'),
            _ => {}
        }
        line.push_str(&shown);
    }
    line
}

impl Rich {
    fn shown(self) -> String {
        match self {
            Self::Section { elements } => stacked(line_of(elements).split('\n')),
            Self::Quote { elements } => {
                let said = stacked(line_of(elements).split('\n'));
                said.split('\n').map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
            }
            Self::Preformatted { elements } => {
                let text = elements.unwrap_or_default().into_iter().map(Bit::said).collect::<String>();
                fenced(&tidy(&text))
            }
            Self::List { elements, style, indent } => {
                let indent = " ".repeat(4 * usize::from(indent.unwrap_or(0)).min(MAX_INDENT));
                let mark = if style.as_deref() == Some("ordered") { "1." } else { "-" };
                let items = elements.unwrap_or_default().into_iter().map(Self::shown);
                let items = items.map(|item| format!("{indent}{mark} {}", item.replace('\n', " ")));
                items.collect::<Vec<_>>().join("\n")
            }
            Self::Other => String::new(),
        }
    }
}

impl Bit {
    fn shown(self) -> String {
        match self {
            Self::Text { text, style } => style.unwrap_or_default().on(&tidy(&text)),
            Self::Link { url, text } => link(&url, text.as_deref().unwrap_or_default()),
            Self::User { user_id: id } => inline(&format!("<@{}>", name(&id))),
            Self::Channel { channel_id: id } => inline(&format!("<#{}>", name(&id))),
            Self::Broadcast { range } => inline(&format!("<!{}>", name(&range))),
            Self::Emoji { name: it } => escaped_within(&format!(":{}:", name(&it))),
            Self::Date { fallback } => escaped_within(&tidy(&fallback.unwrap_or_default())),
            Self::Other => String::new(),
        }
    }

    /// Without anything that marks it.
    fn said(self) -> String {
        match self {
            Self::Text { text, .. } => raw(&text),
            Self::Link { url, text } => raw(&text.unwrap_or(url)),
            Self::Emoji { name: it } => format!(":{}:", name(&it)),
            Self::User { user_id: id } => format!("@{}", name(&id)),
            Self::Channel { channel_id: id } => format!("#{}", name(&id)),
            Self::Broadcast { range } => format!("@{}", name(&range)),
            Self::Date { fallback } => raw(&fallback.unwrap_or_default()),
            Self::Other => String::new(),
        }
    }
}

/// A text of which every character means itself, as code is read.
fn raw(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// What may stand within a reference.
fn name(id: &str) -> String {
    id.chars().filter(|it| it.is_ascii_alphanumeric() || "_.-".contains(*it)).collect()
}

impl Style {
    /// A text in this style. What is blank about it stands outside, where marks may stand.
    fn on(&self, text: &str) -> String {
        let said = text.trim();
        if said.is_empty() {
            return text.to_owned();
        }
        let at = text.len() - text.trim_start().len();
        let (before, after) = (&text[..at], &text[at + said.len()..]);
        let lines: Vec<String> = said.split('\n').map(|line| self.on_line(line.trim())).collect();
        format!("{before}{}{after}", lines.join("\n"))
    }

    fn on_line(&self, line: &str) -> String {
        if line.is_empty() {
            return String::new();
        }
        let mut shown = if self.code { code(&raw(line)) } else { escaped_within(line) };
        for (on, mark) in [(self.italic, "_"), (self.bold, "**"), (self.strike, "~~")] {
            if on {
                shown = format!("{mark}{shown}{mark}");
            }
        }
        shown
    }
}
