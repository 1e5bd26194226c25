//! Slack's `mrkdwn` as `CommonMark`: what is marked stays marked, and what is text stays text.
//!
//! Source: "Formatting message text" in Slack's documentation. `*bold*`, `_italic_`, `~strike~`, code between backticks,
//! quotes behind `>`; `&amp;`, `&lt;` and `&gt;` stand for characters; between `<` and `>` stand links
//! (`<https://example.org|text>`), people, channels and commands (`<!here>`). All is read once from left to right: what a
//! stranger sends takes time in proportion to its length, and comes to a bounded multiple of it.

use std::fmt::Write as _;

/// Text with marks. A name behind an `@` that stands bare calls somebody only if `names` says so, as with Slack.
pub(super) fn to_commonmark(text: &str, names: bool) -> String {
    convert(text, names).0
}

/// Likewise within one line.
pub(super) fn inline(text: &str) -> String {
    let mut inline = Inline::new(text, false);
    inline.read();
    inline.parts.concat()
}

/// Text without marks: every character stays what it is.
pub(super) fn escaped(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escaped_within).collect();
    stacked(lines.iter().map(String::as_str))
}

/// Likewise, within a line.
pub(super) fn escaped_within(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        escape((before, character, characters.peek().copied()), false, &mut out);
        before = Some(character);
    }
    out
}

/// Lines that are converted, one below the other.
pub(super) fn stacked<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut page = Page::default();
    lines.for_each(|line| page.line(line, false));
    page.out
}

/// Code on one line; nothing of nothing.
pub(super) fn code(text: &str) -> String {
    let text = plain(text).replace('\n', " ");
    if text.trim().is_empty() { String::new() } else { format!("`{text}`") }
}

/// A block of code; nothing of nothing.
pub(super) fn fenced(text: &str) -> String {
    let mut page = Page::default();
    page.fence(text);
    page.out
}

/// What the text comes to, and at how many bytes was looked for it.
fn convert(text: &str, names: bool) -> (String, usize) {
    let (mut page, mut work, mut rest) = (Page::default(), text.len(), text);
    while let Some((before, behind)) = rest.split_once("```") {
        let Some((code, after)) = behind.split_once("```") else { break };
        work += page.lines(before.strip_suffix('\n').unwrap_or(before), names);
        page.fence(code);
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    work += page.lines(rest, names);
    (page.out, work)
}

/// What the line before was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Text,
    Quote,
    Other,
}

/// Lines of `CommonMark`, one after the other.
#[derive(Default)]
struct Page {
    out: String,
    last: Option<Line>,
}

impl Page {
    fn lines(&mut self, text: &str, names: bool) -> usize {
        if text.is_empty() {
            return 0;
        }
        let (mut work, mut all_quoted) = (0, false);
        for line in text.split('\n') {
            let quoted = |line| ["&gt;", ">"].into_iter().find_map(|mark| str::strip_prefix(line, mark));
            let mut said = line;
            if let Some(behind) = quoted(line).filter(|_| !all_quoted) {
                said = behind;
                if let Some(behind) = quoted(behind).and_then(quoted) {
                    (said, all_quoted) = (behind, true);
                }
            }
            let mut inline = Inline::new(said, names);
            inline.read();
            work += inline.work;
            self.line(&inline.parts.concat(), all_quoted || said.len() < line.len());
        }
        work
    }

    /// A line that breaks where the sender's did, and at whose beginning nothing makes it a heading, a list, a rule, a
    /// quote or code.
    fn line(&mut self, line: &str, quoted: bool) {
        let line = line.trim();
        let this = match (quoted, line.is_empty()) {
            (true, _) => Line::Quote,
            (false, true) => Line::Other,
            (false, false) => Line::Text,
        };
        self.out.push_str(match (self.last, this) {
            (None, _) => "",
            (Some(Line::Text), Line::Text) | (Some(Line::Quote), Line::Quote) => "  \n",
            // Otherwise the text would go on in the quote.
            (Some(Line::Quote), Line::Text) => "\n\n",
            _ => "\n",
        });
        self.last = Some(this);
        if quoted {
            self.out.push_str("> ");
        }
        let number = line.len() - line.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        if line.starts_with(['#', '>', '-', '+', '=']) {
            self.out.push('\\');
        } else if number > 0 && line[number..].starts_with(['.', ')']) {
            let _ = write!(self.out, "{}\\{}", &line[..number], &line[number..]);
            return;
        }
        self.out.push_str(line);
    }

    fn fence(&mut self, code: &str) {
        let code = plain(code);
        let code = code.trim_matches('\n');
        if !code.trim().is_empty() {
            let before = if self.last.is_some() { "\n" } else { "" };
            let _ = write!(self.out, "{before}```\n{code}\n```");
            self.last = Some(Line::Other);
        }
    }
}

/// One line, as far as it is converted.
struct Inline<'a> {
    text: &'a str,
    names: bool,
    /// What it comes to. A mark that may begin something is a part of its own, which is written anew if it does.
    parts: Vec<String>,
    /// The marks that may begin something, each kind once, and where they stand among the parts.
    open: Vec<(char, usize)>,
    work: usize,
}

impl<'a> Inline<'a> {
    fn new(text: &'a str, names: bool) -> Self {
        Self { text, names, parts: vec![String::new()], open: Vec::new(), work: 0 }
    }

    fn read(&mut self) {
        let mut at = 0;
        while let Some(character) = self.text[at..].chars().next() {
            let end = at + character.len_utf8();
            let (before, rest) = (self.text[..at].chars().next_back(), &self.text[end..]);
            let taken = match character {
                '<' => self.reference(rest),
                '`' => self.code(rest),
                '*' | '_' | '~' => self.mark(before, character, rest),
                'h' | 'H' if before.is_none_or(|before| !before.is_alphanumeric()) => self.address(at),
                _ => None,
            };
            at = end
                + taken.unwrap_or_else(|| {
                    let (character, length) = entity(character, rest);
                    let after = rest[length..].chars().next();
                    let names = self.names;
                    escape((before, character, after), names, self.last());
                    length
                });
        }
    }

    fn last(&mut self) -> &mut String {
        self.parts.last_mut().expect("there is a part from the beginning")
    }

    /// How far it is to the next of these characters.
    fn seek(&mut self, rest: &str, ends: &[char]) -> Option<usize> {
        let end = rest.find(ends);
        self.work += end.unwrap_or(rest.len());
        end
    }

    /// What stands between `<` and `>`. None holds another.
    fn reference(&mut self, rest: &str) -> Option<usize> {
        let end = self.seek(rest, &['<', '>']).filter(|end| *end > 0 && rest[*end..].starts_with('>'))?;
        let shown = shown(&rest[..end]);
        let out = self.last();
        if shown.starts_with('[') && out.ends_with('!') {
            // Not a picture.
            out.pop();
            out.push_str("\\!");
        }
        out.push_str(&shown);
        Some(end + 1)
    }

    fn code(&mut self, rest: &str) -> Option<usize> {
        let end = self.seek(rest, &['`'])?;
        let code = code(&rest[..end]);
        if code.is_empty() {
            return None;
        }
        if self.parts.last().is_some_and(|out| out.ends_with('`')) {
            self.last().push(' ');
        }
        self.last().push_str(&code);
        Some(end + 1)
    }

    /// A mark that ends what one of its kind began, or begins something.
    fn mark(&mut self, before: Option<char>, mark: char, rest: &str) -> Option<usize> {
        let after = rest.chars().next();
        let opened = self.open.iter().position(|(open, _)| *open == mark);
        let ends = before.is_some_and(|before| !before.is_whitespace())
            && after.is_none_or(|after| !after.is_alphanumeric());
        let begins = before.is_none_or(|before| !before.is_alphanumeric())
            && after.is_some_and(|after| !after.is_whitespace() && after != mark);
        match opened {
            Some(opened) if ends => {
                let written = if mark == '*' {
                    "**"
                } else if mark == '_' {
                    "_"
                } else {
                    "~~"
                };
                written.clone_into(&mut self.parts[self.open[opened].1]);
                self.last().push_str(written);
                // What was begun within it and not ended is text.
                self.open.truncate(opened);
            }
            None if begins => {
                self.open.push((mark, self.parts.len()));
                self.parts.extend([format!("\\{mark}"), String::new()]);
            }
            _ => return None,
        }
        Some(0)
    }

    /// An address that stands bare, up to what ends its sentence.
    fn address(&mut self, at: usize) -> Option<usize> {
        let text = &self.text[at..];
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        let scheme = ["https://", "http://"].into_iter().find(|scheme| begins(scheme))?;
        let ends = |it: char| it.is_whitespace() || "<>|`\"".contains(it);
        let end = text.find(ends).unwrap_or(text.len());
        self.work += end;
        let whole = text[..end].trim_end_matches(|last| ".,:;!?)]}'*_~".contains(last));
        if whole.len() <= scheme.len() {
            return None;
        }
        let address = link_address(&decoded(whole));
        let _ = write!(self.last(), "<{address}>");
        Some(whole.len() - 1)
    }
}

/// What a reference comes to.
fn shown(inner: &str) -> String {
    let (target, label) =
        inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    let label = label.map(decoded).filter(|label| !label.trim().is_empty());
    let target = decoded(target);
    let begins = |scheme: &str| {
        target.len() > scheme.len()
            && target.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme))
    };
    if ["http://", "https://", "mailto:"].into_iter().any(begins) {
        let address = link_address(&target);
        return match label {
            Some(label) => format!("[{}]({address})", escaped_within(label.trim())),
            None => format!("<{address}>"),
        };
    }
    let called = |name: &str| format!("@{}", escaped_within(name.trim_start_matches('@')));
    match (target.chars().next(), label) {
        (Some('@'), label) => called(&label.unwrap_or(target)),
        (Some('#'), label) => {
            escaped_within(&format!("#{}", label.unwrap_or(target).trim_start_matches('#')))
        }
        (Some('!'), None) => match target[1..].split('^').next() {
            Some("here") => "@here".to_owned(),
            Some("channel" | "everyone") => "@everyone".to_owned(),
            _ => escaped_within(&target),
        },
        (_, Some(label)) => escaped_within(&label),
        // What only looks like one.
        (_, None) => escaped_within(&format!("<{target}>")),
    }
}

/// An address in which nothing ends a link or marks anything (RFC 3986 §2.1).
fn link_address(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for character in target.chars() {
        if character.is_whitespace() || character.is_control() || "<>()[]\\`|\"^{}*~;".contains(character) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Code: references are what people read of them, characters are themselves.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find('<') {
        let behind = &rest[begin + 1..];
        let end = behind.find(['<', '>']).filter(|end| behind[*end..].starts_with('>'));
        out.push_str(&rest[..begin]);
        let Some(end) = end else {
            out.push('<');
            rest = behind;
            continue;
        };
        let inner = &behind[..end];
        out.push_str(inner.split_once('|').map_or(inner, |(_, label)| label));
        rest = &behind[end + 1..];
    }
    out.push_str(rest);
    decoded(&out).replace('`', "'")
}

const ENTITIES: [(&str, char); 3] = [("lt;", '<'), ("gt;", '>'), ("amp;", '&')];

/// The character that stands here, and how many bytes of what follows belong to it.
fn entity(character: char, rest: &str) -> (char, usize) {
    let named = || ENTITIES.into_iter().find(|(name, _)| rest.starts_with(name));
    match (character == '&').then(named).flatten() {
        Some((name, meant)) => (meant, name.len()),
        None => (character, 0),
    }
}

/// With the characters that the three entities stand for.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (character, length) = entity(character, &rest[character.len_utf8()..]);
        out.push(character);
        rest = &rest[length + if length > 0 { 1 } else { character.len_utf8() }..];
    }
    out
}

/// Writes a character so that it is only itself, given the ones beside it.
fn escape((before, character, after): (Option<char>, char, Option<char>), names: bool, out: &mut String) {
    let is_word = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
    let has_a_meaning = match character {
        '\\' | '*' | '`' | '[' | ']' | '<' | '~' => true,
        '_' => !(is_word(before) && is_word(after)),
        '&' => is_word(after) || after == Some('#'),
        // Nobody is called by who only quotes them.
        '@' => !names && !is_word(before) && is_word(after),
        _ => false,
    };
    if has_a_meaning {
        out.push('\\');
    }
    out.push(character);
}

#[cfg(test)]
mod tests;
