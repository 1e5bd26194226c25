//! Reports: told once, decided once, and answered.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, ReportId,
    messaging::{Fact, MAX_OPEN_REPORTS, ModerationLog, Report, Reports, UserFact, UserLog, Verdict},
};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::harness::{DEADLINE, House, make, make_group, message_path, reason, whole_log};

fn reports_path(conversation: ConversationId) -> String {
    format!("/v1/conversations/{conversation}/reports")
}

async fn queue(client: &TestClient, conversation: ConversationId, status: &str) -> Vec<ReportId> {
    let mut found: Vec<ReportId> = Vec::new();
    let mut path = format!("{}?status={status}&limit=2", reports_path(conversation));
    loop {
        let page: Reports = client.get(&path).await.expect(200).read();
        found.extend(page.items.iter().map(|report| report.id));
        let Some(cursor) = page.next_cursor else { return found };
        path = format!("{}?status={status}&limit=2&cursor={cursor}", reports_path(conversation));
    }
}

async fn file(client: &TestClient, conversation: ConversationId, wish: &Value, status: u16) -> Report {
    client.post(&reports_path(conversation), wish).await.expect(status).read()
}

#[tokio::test]
async fn a_report_is_told_once_decided_once_and_answered() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let (anns, bens, cids) =
        (house.client(&service, ann), house.client(&other, ben), house.client(&service, cid));
    let group = make_group(&anns, &[ben, cid]).await;
    let message = house.post(&bens, group, "SECRET offer").await;
    let about_message = json!({"message_id": message.id, "category": "spam", "note": "Again"});
    let first = file(&cids, group, &about_message, 201).await;
    assert_eq!((first.user_id, first.message_id, first.reporter_id), (ben, Some(message.id), cid));
    assert_eq!(file(&cids, group, &about_message, 200).await, first, "a repeat is the same");
    let second = file(&cids, group, &json!({"user_id": ben, "category": "abuse"}), 201).await;
    let third = file(&anns, group, &about_message, 201).await;

    // The moderators see it, nobody else does.
    assert_eq!(reason(&cids.get(&reports_path(group)).await.expect(403).read()), "role_lacks_it");
    assert_eq!(queue(&anns, group, "open").await, [first.id, second.id, third.id]);
    assert_eq!(queue(&anns, group, "decided").await, []);
    let decision = |report: &Report| format!("{}/{}/decision", reports_path(group), report.id);
    let acted = json!({"decision": "acted", "note": "Warned him"});
    assert_eq!(reason(&cids.post(&decision(&first), &acted).await.expect(403).read()), "role_lacks_it");
    let log_before = whole_log(&cids, group).await.len();
    for _ in 0..2 {
        let decided: Report = anns.post(&decision(&first), &acted).await.expect(200).read();
        assert_eq!(decided.decision, Some(Verdict::Acted));
        assert_eq!(decided.decided_seq, Some(log_before as u64 + 1));
    }
    let otherwise = anns.post(&decision(&first), &json!({"decision": "dismissed"})).await.expect(409);
    assert_eq!(otherwise.code(), "report_decided");
    assert_eq!(queue(&anns, group, "open").await, [second.id, third.id]);
    assert_eq!(queue(&anns, group, "decided").await, [first.id]);

    // The log says that something was decided, the moderation log what and why, and the reporter learns what.
    let log = whole_log(&cids, group).await;
    let at = house.ambient.now();
    let fact = Fact::ReportDecided { report_id: first.id, by: ann, at };
    assert_eq!((log.len(), &log.last().unwrap().e), (log_before + 1, &fact));
    assert!(!cids.get(&format!("/v1/conversations/{group}/log")).await.text().contains("Warned"));
    let page = anns.get(&format!("/v1/conversations/{group}/moderation-log")).await.expect(200);
    let act = page.read::<ModerationLog>().items.remove(0);
    assert_eq!((act.e, act.user_id, act.decision), (fact, Some(ben), Some(Verdict::Acted)));
    assert_eq!(act.reason.as_deref(), Some("Warned him"));
    let told =
        UserFact::ReportDecided { conversation_id: group, report_id: first.id, decision: Verdict::Acted };
    eventually(DEADLINE, || async {
        let log: UserLog = cids.get("/v1/me/log").await.expect(200).read();
        log.items.iter().any(|entry| entry.e == told).then_some(())
    })
    .await;

    // A report says which message, never what that said, and nothing about a deleted one.
    anns.delete(&message_path(&message)).await.expect(204);
    let text = anns.get(&reports_path(group)).await.expect(200).text();
    assert!(text.contains(&message.id.to_string()) && !text.contains("SECRET"), "{text}");
    bens.post(&reports_path(group), &about_message).await.expect(409);
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, eve] = [(); 3].map(|()| house.user());
    let [anns, eves] = [ann, eve].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    let elsewhere = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, elsewhere, "Hello").await;
    let path = reports_path(group);
    for (wish, field) in [
        (json!({"category": "spam"}), "message_id"),
        (json!({"category": "spam", "user_id": ben, "message_id": message.id}), "message_id"),
        (json!({"category": "spam", "user_id": eve}), "user_id"),
        (json!({"category": "rude", "user_id": ben}), "category"),
        (json!({"category": "spam", "user_id": ben, "note": "x".repeat(501)}), "note"),
    ] {
        assert_eq!(anns.post(&path, &wish).await.expect(422).wrong_fields(), [field], "{wish}");
    }
    let foreign = json!({"category": "spam", "message_id": message.id});
    assert_eq!(anns.post(&path, &foreign).await.expect(404).code(), "message_not_found");
    let report = file(&anns, elsewhere, &foreign, 201).await;
    let decided = anns.post(&format!("{path}/{}/decision", report.id), &json!({"decision": "acted"})).await;
    assert_eq!(decided.expect(404).code(), "report_not_found");
    // Of two equals nobody decides, so nothing is taken that would wait for ever.
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let refused = anns.post(&reports_path(direct), &json!({"category": "spam", "user_id": ben})).await;
    assert_eq!(reason(&refused.expect(403).read()), "kind_forbids");
    eves.post(&path, &json!({"category": "spam", "user_id": ben})).await.expect(404);
    // Who may read a public channel may report in it.
    let request = json!({"kind": "channel", "title": "News", "visibility": "public"});
    let channel = make(&anns, request).await.id;
    file(&eves, channel, &json!({"category": "other", "user_id": ann}), 201).await;
}

#[tokio::test]
async fn one_person_has_a_bounded_number_of_open_reports_also_when_they_come_at_once() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), [house.client(&one, ben), house.client(&other, ben)]);
    let group = make_group(&anns, &[ben]).await;
    let mut messages = Vec::new();
    for _ in 0..MAX_OPEN_REPORTS + 4 {
        messages.push(house.post(&anns, group, "Noise").await.id);
    }
    let path = reports_path(group);
    let filed = messages.iter().enumerate().map(|(index, message)| {
        let (client, path) = (&bens[index % 2], &path);
        async move { client.post(path, &json!({"message_id": message, "category": "spam"})).await }
    });
    let statuses: Vec<u16> = join_all(filed).await.iter().map(|answer| answer.status.as_u16()).collect();
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(409)), (MAX_OPEN_REPORTS, 4), "{statuses:?}");
    let open = queue(&anns, group, "open").await;
    assert_eq!(open.iter().collect::<BTreeSet<_>>().len(), MAX_OPEN_REPORTS);
    // One more is taken when one is decided; another's places are their own.
    let decision = format!("{path}/{}/decision", open[0]);
    anns.post(&decision, &json!({"decision": "dismissed"})).await.expect(200);
    file(&bens[0], group, &json!({"user_id": ann, "category": "spam"}), 201).await;
    let full = bens[1].post(&path, &json!({"user_id": ben, "category": "spam"})).await.expect(409);
    assert_eq!(full.code(), "too_many_reports");
    file(&anns, group, &json!({"user_id": ben, "category": "spam"}), 201).await;
}

#[tokio::test]
async fn two_moderators_who_decide_at_once_decide_once() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let clients = [house.client(&one, ann), house.client(&other, ann)];
    let group = make_group(&clients[0], &[ben]).await;
    for _ in 0..8 {
        let message = house.post(&clients[0], group, "Noise").await;
        let report =
            file(&clients[0], group, &json!({"message_id": message.id, "category": "spam"}), 201).await;
        let path = format!("{}/{}/decision", reports_path(group), report.id);
        let before = whole_log(&clients[0], group).await.len();
        let (acted, dismissed) = (json!({"decision": "acted"}), json!({"decision": "dismissed"}));
        let answers = join_all([
            clients[0].post(&path, &acted),
            clients[0].post(&path, &dismissed),
            clients[1].post(&path, &dismissed),
        ])
        .await;
        let decided: Vec<Verdict> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| answer.read::<Report>().decision.unwrap())
            .collect();
        assert!(!decided.is_empty() && decided.windows(2).all(|pair| pair[0] == pair[1]), "{decided:?}");
        assert_eq!(whole_log(&clients[0], group).await.len(), before + 1);
    }
}
