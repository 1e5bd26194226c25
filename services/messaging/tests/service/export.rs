//! A conversation as a file.

use serde_json::json;
use tertulia_contracts::{
    ConversationId,
    messaging::{ExportCover, ExportLine, ExportMessage},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, make_group, message_path, reaction_path};

/// More than the pages that a file is written in.
const MANY: usize = 230;

async fn lines(client: &TestClient, c: ConversationId) -> Vec<ExportLine> {
    let answer = client.get(&format!("/v1/conversations/{c}/export?format=json")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/jsonl; charset=utf-8"));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment; filename=\""));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(lines: &[ExportLine]) -> Vec<&ExportMessage> {
    let messages = lines.iter().filter_map(|line| match line {
        ExportLine::Message(message) => Some(&**message),
        _ => None,
    });
    messages.collect()
}

fn cover(lines: &[ExportLine]) -> &ExportCover {
    match &lines[0] {
        ExportLine::Export(cover) => cover,
        other => panic!("a file begins with what it is: {other:?}"),
    }
}

#[tokio::test]
async fn everything_up_to_the_head_stands_in_the_file_once_as_it_is_now() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    anns.patch(&path, &json!({"description": "About it", "tags": ["one"]})).await.expect(200);
    let mut posted = Vec::new();
    for number in 0..MANY {
        posted.push(house.post(&bens, group, &format!("Number {number}")).await);
    }
    bens.patch(&message_path(&posted[0]), &json!({"body": "Edited"})).await.expect(200);
    anns.put(&reaction_path(&posted[1], "👍"), &()).await.expect(204);
    anns.put(&format!("{}/pin", message_path(&posted[2])), &()).await.expect(204);
    bens.delete(&message_path(&posted[3])).await.expect(204);

    let lines = lines(&anns, group).await;
    let cover = cover(&lines);
    assert_eq!(
        (cover.conversation_id, cover.exported_by, cover.description.as_deref(), &cover.pins[..]),
        (group, ann, Some("About it"), &[posted[2].id][..])
    );
    let members = lines.iter().filter(|line| matches!(line, ExportLine::Member(_))).count();
    assert_eq!((members, lines.len()), (2, 1 + 2 + MANY + 1));
    assert_eq!(lines.last(), Some(&ExportLine::End { messages: MANY as u64 }));
    let messages = messages(&lines);
    let seqs: Vec<u64> = messages.iter().map(|line| line.message.seq).collect();
    assert_eq!(seqs, posted.iter().map(|message| message.seq).collect::<Vec<_>>());
    let said: Vec<&str> = messages[0].edits.iter().map(|version| version.body.as_str()).collect();
    assert_eq!((messages[0].message.body.as_str(), &said[..]), ("Edited", &["Number 0", "Edited"][..]));
    let reaction = &messages[1].message.reactions[0];
    assert_eq!((reaction.count, reaction.me), (1, false), "a file is read by many");
    assert_eq!((messages[3].message.body.as_str(), messages[3].message.deleted_at.is_some()), ("", true));
    assert!(messages[4].edits.is_empty());
}

#[tokio::test]
async fn threads_polls_and_quotes_are_in_the_file_in_the_order_of_the_log() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let root = house.post(&anns, group, "The root").await;
    let say = async |more: serde_json::Value| {
        let mut post = json!({"client_id": house.client_id(), "body": "Said"});
        post.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        anns.post(&format!("{path}/messages"), &post).await.expect(201);
    };
    say(json!({"body": "Below", "thread_id": root.id})).await;
    say(json!({"body": "Beside", "reply_to": root.id, "quote": {"text": "root"}})).await;
    say(json!({"body": "", "poll": {"question": "Which?", "options": ["One <b>", "Two"]}})).await;
    // More entries that are no messages than a page holds.
    for _ in 0..60 {
        anns.put(&reaction_path(&root, "👍"), &()).await.expect(204);
        anns.delete(&reaction_path(&root, "👍")).await.expect(204);
    }
    say(json!({"body": "Last"})).await;

    let lines = lines(&anns, group).await;
    let messages = messages(&lines);
    let said: Vec<&str> = messages.iter().map(|line| line.message.body.as_str()).collect();
    assert_eq!(said, ["The root", "Below", "Beside", "", "Last"]);
    assert_eq!(messages[1].message.thread_id, Some(root.id));
    assert_eq!(messages[2].message.quote.as_ref().unwrap().text.as_deref(), Some("root"));
    assert_eq!(messages[3].message.poll.as_ref().unwrap().options.len(), 2);
    let page = anns.get(&format!("{path}/export?format=html")).await.expect(200).text();
    for shown in
        ["In the thread of", "<blockquote>root</blockquote>", "Which?", "One &lt;b&gt;: 0", "5 messages"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test]
async fn what_is_not_for_everybody_is_in_no_file() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let said = house.post(&bens, group, "<script>alert(1)</script>").await;
    anns.put(&format!("{path}/mutes/{ben}"), &json!({"reason": "SECRET reason"})).await.expect(204);
    anns.put(&format!("{path}/filters"), &json!({"words": ["secretword"]})).await.expect(200);
    let report = json!({"message_id": said.id, "category": "spam", "note": "SECRET note"});
    anns.post(&format!("{path}/reports"), &report).await;
    anns.put(&format!("{path}/draft"), &json!({"body": "SECRET draft"})).await.expect(200);
    anns.put(&format!("{}/saved", message_path(&said)), &json!({"note": "SECRET mark"})).await.expect(200);
    anns.post(&format!("{path}/hooks"), &json!({"name": "SECRET hook"})).await.expect(201);
    for format in ["json", "html"] {
        let file =
            anns.get(&format!("{path}/export?format={format}")).await.expect(200).text().to_lowercase();
        assert!(!file.contains("secret"), "{file}");
    }
    let page = anns.get(&format!("{path}/export?format=html")).await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("sandbox"));
    let page = page.text();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(page.ends_with("</html>\n"));
}

#[tokio::test]
async fn a_file_is_for_those_who_may_export() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/export");
    assert_eq!(bens.get(&path).await.expect(403).code(), "not_allowed");
    assert_eq!(anns.get(&format!("{path}?format=pdf")).await.expect(422).wrong_fields(), ["format"]);
    // Either of two, and whoever is allowed it beside their name; without the members for whoever may not list those.
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    assert_eq!(lines(&bens, direct).await.len(), 4);
    let beside = format!("/v1/conversations/{group}/members/{ben}/override");
    anns.put(&beside, &json!({"allow": ["export"], "deny": ["list_members"]})).await.expect(204);
    let lines = lines(&bens, group).await;
    assert_eq!((cover(&lines).roles.as_ref(), lines.len()), (None, 2));
    // What is archived can be taken along.
    anns.put(&format!("/v1/conversations/{group}/archive"), &()).await.expect(200);
    anns.get(&path).await.expect(200);
}
