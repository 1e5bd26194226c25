//! What hangs on messages: kept as it was sent, asked about, gone when deleted.

use serde_json::json;
use tertulia_contracts::messaging::{Attachment, Fact, Message, Posted};

use crate::harness::{House, handle_of, make_group, message_path, now, reason, whole_log};

#[tokio::test]
async fn attachments_stand_in_the_message_and_its_log_until_it_is_deleted() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let media = json!({"kind": "media", "media_id": format!("med_{}", house.client_id()), "name": "SECRET.webp",
        "content_type": "image/webp", "size": 48_113, "width": 640, "height": 480, "alt": "SECRET garden"});
    let place =
        json!({"kind": "location", "latitude": 40.4168, "longitude": -3.7038, "label": "SECRET place"});
    let card = json!({"kind": "contact", "name": "SECRET Ann", "phone": "+34 600 000 000"});
    let account = json!({"kind": "contact", "user_id": ben});
    let post = json!({"client_id": house.client_id(), "attachments": [media, place, card, account]});

    let posted = anns.post(&path, &post).await.expect(201);
    assert_eq!(posted.json()["message"]["attachments"], post["attachments"], "as it was sent");
    let message = posted.read::<Posted>().message;
    assert_eq!((message.body.as_str(), message.attachments.len()), ("", 4));
    assert_eq!(now(&bens, &message).await, message);
    assert_eq!(whole_log(&bens, group).await[3].e, Fact::MessagePosted { message: message.clone() });
    // The same again is the same; with one fewer it is another.
    assert_eq!(anns.post(&path, &post).await.expect(200).read::<Posted>().message, message);
    let fewer = json!({"client_id": post["client_id"], "attachments": [post["attachments"][0]]});
    assert_eq!(anns.post(&path, &fewer).await.expect(409).code(), "client_id_reused");

    // An edit is of the body alone.
    let edit = json!({"body": "With words"});
    let edited: Message = anns.patch(&message_path(&message), &edit).await.expect(200).read();
    assert_eq!(edited.attachments, message.attachments);
    anns.patch(&message_path(&message), &json!({"body": ""})).await.expect(422);

    anns.delete(&message_path(&message)).await.expect(204);
    assert_eq!(now(&bens, &message).await.attachments, Vec::<Attachment>::new());
    let log = bens.get(&format!("/v1/conversations/{group}/log")).await.expect(200).text();
    assert!(!log.contains("SECRET") && !log.contains("med_"), "{log}");
}

#[tokio::test]
async fn whoever_may_not_attach_may_still_write_and_filters_read_attachments_too() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let at = format!("/v1/conversations/{group}");
    let post = |label: &str| {
        let place = json!({"kind": "location", "latitude": 0, "longitude": 0, "label": label});
        json!({"client_id": house.client_id(), "body": "Here", "attachments": [place]})
    };
    anns.put(&format!("{at}/filters"), &json!({"words": ["casino"]})).await.expect(200);
    let refused = bens.post(&format!("{at}/messages"), &post("The Casino")).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["attachments"]);
    bens.post(&format!("{at}/messages"), &post("The church")).await.expect(201);
    // Whoever may set filters is not held to them.
    anns.post(&format!("{at}/messages"), &post("The casino")).await.expect(201);

    let note = json!({"deny": ["attach_media"]});
    anns.put(&format!("{at}/members/{ben}/override"), &note).await.expect(204);
    let refused = bens.post(&format!("{at}/messages"), &post("The church")).await.expect(403);
    assert_eq!(reason(&refused.json()), "member_denied");
    house.post(&bens, group, &format!("Words, @{}", handle_of(ann))).await;
}
