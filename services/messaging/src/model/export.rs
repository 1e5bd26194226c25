//! A conversation as a file: its lines, and the page that shows them.

mod html;
mod markdown;

use std::fmt::Write as _;

use tertulia_contracts::messaging::{ExportFormat, ExportLine};
use tertulia_runtime::Timestamp;

/// The most characters that a title gives to the name of a file.
const MAX_NAME_CHARS: usize = 60;

/// A line as it is written into the file.
pub(crate) fn written(format: ExportFormat, line: &ExportLine) -> String {
    match format {
        ExportFormat::Json => {
            let mut text = serde_json::to_string(line).expect("a line is plain data and encodes");
            text.push('\n');
            text
        }
        ExportFormat::Html => html::written(line),
    }
}

/// The media type of such a file.
pub(crate) const fn media_type(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Json => "application/jsonl; charset=utf-8",
        ExportFormat::Html => "text/html; charset=utf-8",
    }
}

/// The value of `Content-Disposition` for such a file (RFC 6266, RFC 8187): a name without anything that leads elsewhere or
/// means something to a shell, and the title as it is spelled for whoever reads that.
pub(crate) fn disposition(format: ExportFormat, title: Option<&str>, at: Timestamp) -> String {
    let extension = match format {
        ExportFormat::Json => "jsonl",
        ExportFormat::Html => "html",
    };
    let at = at.to_string();
    let day = at.get(..10).unwrap_or_default();
    let is_fit = |it: char| it.is_alphanumeric() && !it.is_control();
    let words = title.unwrap_or_default().split(|it| !is_fit(it)).filter(|word| !word.is_empty());
    let title: String = words.collect::<Vec<_>>().join("-").chars().take(MAX_NAME_CHARS).collect();
    let plain: String = title.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').collect();
    let named = |title: &str| match title.trim_matches('-') {
        "" => format!("tertulia-{day}.{extension}"),
        title => format!("{title}-{day}.{extension}"),
    };
    let mut spelled = String::new();
    for byte in named(&title).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => spelled.push(char::from(byte)),
            _ => {
                let _ = write!(spelled, "%{byte:02X}");
            }
        }
    }
    format!("attachment; filename=\"{}\"; filename*=UTF-8''{spelled}", named(&plain))
}

#[cfg(test)]
mod tests;
