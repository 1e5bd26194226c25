//! Messages that have disappeared: nobody who asks afterwards is told what they said.

use serde_json::Value;
use tertulia_runtime::Timestamp;

use crate::clocks::MOST_WRONG;

/// The first message in an answer whose time was over before it was asked for, by whatever clock, and that still says
/// something.
pub(crate) fn told_of(answer: &[u8], asked_at: Timestamp) -> Option<String> {
    const MARK: &[u8] = b"\"expires_at\"";
    if !answer.windows(MARK.len()).any(|window| window == MARK) {
        return None;
    }
    find(&serde_json::from_slice(answer).ok()?, asked_at)
}

fn find(value: &Value, asked_at: Timestamp) -> Option<String> {
    match value {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let over = |at: &str| at.parse().is_ok_and(|at: Timestamp| at.plus(MOST_WRONG) <= asked_at);
            let is_gone = text("expires_at").is_some_and(over);
            if is_gone && text("body").is_some_and(|body| !body.is_empty()) {
                return Some(value.to_string());
            }
            members.values().find_map(|member| find(member, asked_at))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, asked_at)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_found_behind_their_time_and_not_before() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let answer = |body: &str| {
            let message = json!({"body": body, "expires_at": at(100)});
            json!({"items": [{"e": {"message": message}}]}).to_string().into_bytes()
        };
        assert!(told_of(&answer("words"), at(109)).is_none(), "a clock may be wrong by so much");
        assert!(told_of(&answer("words"), at(110)).is_some());
        assert!(told_of(&answer(""), at(110)).is_none());
    }
}
