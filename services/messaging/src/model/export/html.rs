//! The lines of an exported conversation as one page: no script, nothing that is loaded from elsewhere, nothing said by
//! anybody that is more than text.

use std::fmt::Write as _;

use tertulia_contracts::messaging::{
    Attachment, ExportCover, ExportLine, ExportMember, ExportMessage, Message,
};

use super::markdown::{escaped, rendered};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#888}\
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
article{border-top:1px solid var(--line);padding:.6rem 0}\
article:target{outline:2px solid var(--line)}\
header p,.note,time{color:var(--soft);font-size:.85em;margin:0}\
.by{font-weight:600;margin-right:.5em}\
article p{margin:.3rem 0}\
pre,code{font-family:ui-monospace,monospace;font-size:.9em}\
pre{overflow:auto;border:1px solid var(--line);padding:.5rem}\
blockquote{margin:.3rem 0;padding-left:.8rem;border-left:3px solid var(--line)}";

/// A line as it stands in the page.
pub(super) fn written(line: &ExportLine) -> String {
    match line {
        ExportLine::Export(cover) => top(cover),
        ExportLine::Member(member) => person(member),
        ExportLine::Message(message) => article(message),
        ExportLine::End { messages } => {
            format!(
                "<footer><p class=\"note\">End of the export: {messages} messages.</p></footer>\n</body>\n</html>\n"
            )
        }
    }
}

fn top(cover: &ExportCover) -> String {
    let title = escaped(cover.title.as_deref().or(cover.handle.as_deref()).unwrap_or("Direct conversation"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    );
    if let Some(description) = &cover.description {
        let _ = writeln!(out, "<div>{}</div>", rendered(description));
    }
    if !cover.tags.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", escaped(&cover.tags.join(", ")));
    }
    let (id, at, seq) = (cover.conversation_id, cover.exported_at, cover.head_seq);
    let _ =
        writeln!(out, "<p>{id}, made {}, exported {at} as of entry {seq}</p>\n</header>", cover.created_at);
    out
}

/// A member is one short line each, so that the page needs to know of no end of a list.
fn person(member: &ExportMember) -> String {
    let id = member.member.user_id.to_string();
    let role = serde_json::to_value(member.member.role).unwrap_or_default();
    let name = escaped(member.handle.as_deref().unwrap_or(&id));
    format!("<p class=\"note\">{name}: {}</p>\n", role.as_str().unwrap_or_default())
}

fn article(line: &ExportMessage) -> String {
    let message = &line.message;
    let (id, at) = (message.id, message.created_at);
    let mut out = format!(
        "<article id=\"{id}\">\n<p><span class=\"by\">{}</span><time datetime=\"{at}\">{at}</time></p>\n",
        author(line)
    );
    if let Some(answered) = message.reply_to {
        let _ = writeln!(out, "<p class=\"note\">In reply to <a href=\"#{answered}\">a message</a></p>");
    }
    if let Some(root) = message.thread_id {
        let _ = writeln!(out, "<p class=\"note\">In the thread of <a href=\"#{root}\">a message</a></p>");
    }
    if let Some(text) = message.quote.as_ref().and_then(|quote| quote.text.as_deref()) {
        let _ = writeln!(out, "<blockquote>{}</blockquote>", escaped(text));
    }
    match message.deleted_at {
        Some(deleted) => {
            let _ = writeln!(out, "<p class=\"note\">Deleted {deleted}</p>");
        }
        None => out.push_str(&rendered(&message.body)),
    }
    if let Some(edited) = message.edited_at.filter(|_| message.deleted_at.is_none()) {
        let _ = writeln!(out, "<p class=\"note\">Edited {edited}</p>");
    }
    out.push_str(&below(message));
    out.push_str("</article>\n");
    out
}

fn author(line: &ExportMessage) -> String {
    let message = &line.message;
    if let Some(via) = &message.via {
        return format!("{} (hook)", escaped(via.name.as_deref().unwrap_or("A program")));
    }
    let id = message.author_id.to_string();
    escaped(line.author_handle.as_deref().unwrap_or(&id))
}

/// What hangs on a message.
fn below(message: &Message) -> String {
    let mut out = String::new();
    if let Some(forwarded) = &message.forwarded {
        let _ = writeln!(out, "<p class=\"note\">Passed on, from {}</p>", forwarded.at);
    }
    if let Some(poll) = &message.poll {
        let _ = writeln!(out, "<p>{}</p>", escaped(&poll.question));
        for option in &poll.options {
            let _ = writeln!(out, "<p class=\"note\">{}: {}</p>", escaped(&option.text), option.votes);
        }
    }
    for attachment in &message.attachments {
        let sort = match attachment {
            Attachment::Media(_) => "Media",
            Attachment::Location(_) => "Location",
            Attachment::Contact(_) => "Contact",
        };
        let texts: Vec<String> = attachment.texts().map(escaped).collect();
        let _ = writeln!(out, "<p class=\"note\">{sort}: {}</p>", texts.join(", "));
    }
    if !message.reactions.is_empty() {
        let shown = message.reactions.iter().map(|it| format!("{} {}", escaped(&it.emoji), it.count));
        let _ = writeln!(out, "<p class=\"note\">{}</p>", shown.collect::<Vec<_>>().join(" · "));
    }
    out
}
