//! `CommonMark` as HTML that is safe wherever it stands: what is HTML in it is text, and links lead only where they may.

use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Parser, Tag};

use crate::model::text::address;

/// Text in which every character is itself, also within an attribute between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A body as HTML.
pub(super) fn rendered(body: &str) -> String {
    let mut out = String::with_capacity(2 * body.len());
    let mut ends: Vec<&'static str> = Vec::new();
    for event in Parser::new(body) {
        match event {
            Event::Start(tag) => ends.push(begin(&tag, &mut out)),
            Event::End(_) => out.push_str(ends.pop().unwrap_or_default()),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => out.push_str(&escaped(&text)),
            Event::Code(code) => {
                let _ = write!(out, "<code>{}</code>", escaped(&code));
            }
            Event::SoftBreak => out.push('\n'),
            Event::HardBreak => out.push_str("<br>\n"),
            Event::Rule => out.push_str("<hr>\n"),
            _ => {}
        }
    }
    out
}

/// Writes how an element begins, and says how it ends.
fn begin(tag: &Tag<'_>, out: &mut String) -> &'static str {
    let (beginning, end) = match tag {
        Tag::Paragraph | Tag::HtmlBlock => ("<p>", "</p>\n"),
        // A message is no chapter of the page.
        Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. } => ("<h3>", "</h3>\n"),
        Tag::Heading { .. } => ("<h4>", "</h4>\n"),
        Tag::BlockQuote(_) => ("<blockquote>\n", "</blockquote>\n"),
        Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => {
            ("<pre><code>", "</code></pre>\n")
        }
        Tag::List(None) => ("<ul>\n", "</ul>\n"),
        Tag::List(Some(first)) => {
            let _ = writeln!(out, "<ol start=\"{first}\">");
            return "</ol>\n";
        }
        Tag::Item => ("<li>", "</li>\n"),
        Tag::Emphasis => ("<em>", "</em>"),
        Tag::Strong => ("<strong>", "</strong>"),
        // A picture would have to be loaded: it is a link to it.
        Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. } => {
            let leads = match link_type {
                LinkType::Email => address(&format!("mailto:{dest_url}")),
                _ => address(dest_url),
            };
            let Some(url) = leads else { return "" };
            let _ = write!(out, "<a href=\"{}\" rel=\"noopener noreferrer\">", escaped(&url));
            return "</a>";
        }
        _ => ("", ""),
    };
    out.push_str(beginning);
    end
}
