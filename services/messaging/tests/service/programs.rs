//! Programs: what they may besides what their token is good for.

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    identity::Scope,
    messaging::{Conversation, MadeInvitation, MemberRole},
};

use crate::harness::{House, make, make_group, reason};

const BOTH: &[Scope] = &[Scope::Read, Scope::Write];

#[tokio::test]
async fn a_bot_is_let_in_by_a_person_and_by_no_door_of_its_own() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, bot) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let (token, _) = house.signer.api_token(bot, BOTH, true);
    let bots = service.client.with_token(&token);

    let open = json!({"kind": "channel", "title": "News", "visibility": "public"});
    let channel = make(&anns, open).await.id;
    let group = make_group(&anns, &[]).await;
    let invitations = format!("/v1/conversations/{group}/invitations");
    let code = anns.post(&invitations, &json!({})).await.expect(201).read::<MadeInvitation>().code;
    let joining = bots.put(&format!("/v1/conversations/{channel}/members/{bot}"), &json!({})).await;
    let following = bots.post(&format!("/v1/invitations/{code}/accept"), &()).await;
    for refused in [joining, following] {
        assert_eq!(reason(&refused.expect(403).json()), "account_forbids");
    }
    // A person with the same token's scopes comes in by the same doors: it is not the token that is kept out.
    let (token, _) = house.signer.api_token(house.user(), BOTH, false);
    let persons = service.client.with_token(&token);
    persons.post(&format!("/v1/invitations/{code}/accept"), &()).await.expect(200);

    anns.put(&format!("/v1/conversations/{group}/members/{bot}"), &json!({})).await.expect(200);
    house.post(&bots, group, "At your service").await;
}

#[tokio::test]
async fn a_bot_hands_out_no_power_whatever_its_rank() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, bot) = (house.user(), house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben, bot]).await;
    let admin = json!({"role": "admin"});
    anns.put(&format!("/v1/conversations/{group}/members/{bot}"), &admin).await.expect(200);
    let (token, _) = house.signer.api_token(bot, BOTH, true);
    let bots = service.client.with_token(&token);
    let seen: Conversation = bots.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().role, MemberRole::Admin);

    let moderator = json!({"role": "moderator"});
    let wishes: [(Method, String, &Value); 4] = [
        (Method::PUT, format!("members/{ben}"), &moderator),
        (Method::PUT, "archive".to_owned(), &Value::Null),
        (Method::POST, "invitations".to_owned(), &moderator),
        (Method::PUT, format!("members/{ben}/override"), &json!({"allow": ["pin"]})),
    ];
    for (method, rest, body) in wishes {
        let path = format!("/v1/conversations/{group}/{rest}");
        let (media_type, body) = ((!body.is_null()).then_some("application/json"), body.to_string());
        let refused = bots.send(method, &path, media_type, body).await.expect(403);
        assert_eq!(reason(&refused.json()), "account_forbids", "{rest}");
    }
    // What its rank is for besides, it does.
    let mute = json!({"reason": "It floods"});
    let muted = bots.put(&format!("/v1/conversations/{group}/mutes/{ben}"), &mute).await;
    assert!(muted.status.is_success(), "{}", muted.text());
}
