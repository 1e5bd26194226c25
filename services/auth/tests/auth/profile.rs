//! What people say of themselves.

use serde_json::{Value, json};

use crate::app::App;

#[tokio::test]
async fn what_is_left_out_stays_and_null_takes_it_away() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let client = app.of(&ana);
    let picture = "med_01J00000000000000000000000";
    let all = json!({
        "display_name": " Ana María ", "bio": "Reads.\nSings.", "locale": "es-MX", "time_zone": "america/mexico_city",
        "avatar_id": picture,
    });
    let told = client.patch("/v1/me", &all).await.expect(200).json();
    assert_eq!(told, client.get("/v1/me").await.expect(200).json());
    let shown = ["display_name", "bio", "locale", "time_zone", "avatar_id"].map(|field| told[field].clone());
    let expected = ["Ana María", "Reads.\nSings.", "es-MX", "America/Mexico_City", picture].map(Value::from);
    assert_eq!(shown, expected);
    let seen = app.of(&bea).get(&format!("/v1/users/{}", ana.account.id)).await.expect(200).json();
    let expected = json!({
        "id": ana.account.id, "handle": "ana", "display_name": "Ana María", "bio": "Reads.\nSings.", "avatar_id": picture,
    });
    assert_eq!(seen, expected, "others see no more than that");

    assert_eq!(client.patch("/v1/me", &json!({})).await.expect(200).json(), told);
    let less = client.patch("/v1/me", &json!({ "bio": null, "time_zone": null })).await.expect(200).json();
    assert!(less.get("bio").is_none() && less.get("time_zone").is_none(), "{less}");
    assert_eq!((&less["locale"], &less["avatar_id"]), (&told["locale"], &told["avatar_id"]));
}

#[tokio::test]
async fn what_nobody_is_is_refused() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let client = app.of(&ana);
    client
        .patch("/v1/me", &json!({ "bio": "é".repeat(500), "display_name": "é".repeat(64) }))
        .await
        .expect(200);
    for (field, wrong) in [
        ("display_name", json!(" ")),
        ("display_name", json!("é".repeat(65))),
        ("bio", json!("é".repeat(501))),
        ("bio", json!("a\u{0}b")),
        ("bio", json!("a\rb")),
        ("locale", json!("es_MX")),
        ("time_zone", json!("Mexico")),
        ("time_zone", json!("America/Nowhere")),
        ("time_zone", json!("")),
        ("time_zone", json!("a".repeat(65))),
        ("avatar_id", json!("usr_01J00000000000000000000000")),
        ("handle", json!("anna")),
        ("operator", json!(true)),
    ] {
        let answer = client.patch("/v1/me", &json!({ field: wrong })).await;
        assert_eq!(answer.expect(422).wrong_fields(), [field], "{wrong}");
    }
}
