//! Quotes: the words of the answered message, where they stand and no longer than they stand there.

use serde_json::{Value, json};
use tertulia_contracts::messaging::{Entry, Fact, Message, Messages, Posted, Quoted};

use crate::harness::{House, make_group, message_path, now, whole_log};

/// Whether each quote says what the entry says that it names, no more and no less. Then takes the words out: a client that
/// holds the log finds them there.
pub(crate) fn check_quotes(log: &[Entry], messages: &mut [Message]) -> Result<(), String> {
    for quote in messages.iter_mut().filter_map(|message| message.quote.as_mut()) {
        let entry = usize::try_from(quote.seq).ok().and_then(|seq| log.get(seq - 1));
        let body = match entry.map(|entry| &entry.e) {
            Some(Fact::MessagePosted { message }) => &message.body,
            Some(Fact::MessageEdited { body, .. }) => body,
            other => return Err(format!("{quote:?} is of {other:?}")),
        };
        let units: Vec<u16> = body.encode_utf16().collect();
        let (from, length) = (quote.offset as usize, quote.length as usize);
        let said = units.get(from..from + length).map(|cut| String::from_utf16(cut).unwrap());
        if std::mem::take(&mut quote.text) != said {
            return Err(format!("{quote:?} of {body:?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_quote_says_what_was_said_then_until_that_is_deleted() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let said = house.post(&anns, group, "👍 SECRET plans").await;
    let answer = |quote: Value| json!({"client_id": house.client_id(), "body": "Which?", "reply_to": said.id, "quote": quote});
    let wish = answer(json!({"text": "SECRET"}));
    let posted = bens.post(&path, &wish).await.expect(201).read::<Posted>().message;
    let entry = Quoted { seq: 4, offset: 3, length: 6, text: None };
    assert_eq!(posted.quote.as_deref(), Some(&entry), "no entry holds the words of another");
    let drawn = Quoted { text: Some("SECRET".to_owned()), ..entry.clone() };
    assert_eq!(now(&anns, &posted).await.quote.as_deref(), Some(&drawn));
    // The same again is the same; other words are not.
    assert_eq!(bens.post(&path, &wish).await.expect(200).read::<Posted>().message, posted);
    for quote in [json!({"text": "👍 SEC"}), json!({"text": "plans!"}), Value::Null] {
        let mut elsewise = wish.clone();
        elsewise["quote"] = quote;
        let refused = bens.post(&path, &elsewise).await;
        assert!(
            ["client_id_reused", "invalid_fields"].contains(&refused.code().as_str()),
            "{}",
            refused.text()
        );
    }

    // After an edit the quote still says what was said; who quotes now quotes what is said now.
    anns.patch(&message_path(&said), &json!({"body": "SECRET and FRESH"})).await.expect(200);
    assert_eq!(now(&anns, &posted).await.quote.as_deref(), Some(&drawn));
    let late = bens.post(&path, &answer(json!({"text": "FRESH", "offset": 11}))).await.expect(201);
    let late = late.read::<Posted>().message;
    assert_eq!(late.quote.as_deref(), Some(&Quoted { seq: 6, offset: 11, length: 5, text: None }));
    let pin = format!("{}/pin", message_path(&late));
    bens.put(&pin, &()).await.expect(403);
    anns.put(&pin, &()).await.expect(204);

    anns.delete(&message_path(&said)).await.expect(204);
    for answered in [&posted, &late] {
        let quote = now(&bens, answered).await.quote.unwrap();
        assert_eq!(quote.text, None);
    }
    for rest in ["messages", "log", "pins"] {
        let text = bens.get(&format!("/v1/conversations/{group}/{rest}")).await.expect(200).text();
        assert!(!text.contains("SECRET") && !text.contains("FRESH"), "{text}");
    }
    // The answers stay, and a repeat of one is still one.
    assert_eq!(bens.post(&path, &wish).await.expect(200).read::<Posted>().message, posted);
    let refused = bens.post(&path, &answer(json!({"text": "SECRET"}))).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["quote"]);
}

#[tokio::test]
async fn a_quote_is_of_the_answered_message_and_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let said = house.post(&ann, group, &"👍".repeat(600)).await;
    let thumbs = |count: usize| json!({"text": "👍".repeat(count)});
    let wish = |quote: &Value| json!({"client_id": house.client_id(), "body": "All?", "reply_to": said.id, "quote": quote});
    ann.post(&path, &wish(&thumbs(512))).await.expect(201);
    for quote in [thumbs(513), thumbs(0)] {
        let refused = ann.post(&path, &wish(&quote)).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["quote.text"]);
    }
    for quote in
        [json!({"text": "👎"}), json!({"text": "👍", "offset": 1}), json!({"text": "👍", "offset": 1_200})]
    {
        let refused = ann.post(&path, &wish(&quote)).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["quote"], "{quote}");
    }
    ann.post(&path, &wish(&json!({"text": "👍", "offset": 1_198}))).await.expect(201);
    let mut unanswered = wish(&thumbs(1));
    unanswered["reply_to"] = Value::Null;
    assert_eq!(ann.post(&path, &unanswered).await.expect(422).wrong_fields(), ["quote"]);
}

#[tokio::test]
async fn quotes_and_edits_that_come_at_once_through_two_services_agree_with_the_log() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let ann = house.user();
    let clients = [house.client(&one, ann), house.client(&other, ann)];
    let group = make_group(&clients[0], &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let said = house.post(&clients[0], group, "Word 0").await;
    let deeds = (0..60).map(|number| {
        let (client, path, own) = (&clients[number % 2], &path, message_path(&said));
        let post = json!({"client_id": house.client_id(), "body": "?", "reply_to": said.id,
            "quote": {"text": format!("{}", number / 4)}});
        async move {
            if number % 4 == 0 {
                client.patch(&own, &json!({"body": format!("Word {}", number / 4)})).await.expect(200);
                return false;
            }
            let status = client.post(path, &post).await.status.as_u16();
            assert!([201, 422].contains(&status), "{status}");
            status == 201
        }
    });
    let quoted = futures_util::future::join_all(deeds).await;
    assert!(quoted.iter().any(|quoted| *quoted), "something was quoted in time");
    let log = whole_log(&clients[0], group).await;
    let page: Messages = clients[1].get(&format!("{path}?limit=200")).await.expect(200).read();
    let mut messages = page.items;
    check_quotes(&log, &mut messages).unwrap();
    // Each quotes what was the newest word at its place.
    let mut newest = said.seq;
    for entry in &log {
        match &entry.e {
            Fact::MessageEdited { .. } => newest = entry.seq,
            Fact::MessagePosted { message } => {
                assert!(message.quote.as_ref().is_none_or(|quote| quote.seq == newest), "{entry:?}");
            }
            _ => {}
        }
    }
}
