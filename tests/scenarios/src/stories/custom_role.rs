//! A custom role is what its carrier may do, wherever they ask, for as long as they carry it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use tertulia_client::ApiError;
use tertulia_contracts::{
    RoleId,
    messaging::{ConversationKind, PostMessage, PutRole},
};
use ulid::Ulid;

use crate::{journal::Journal, person::Person, system::System};

/// Bea, a plain member, may not pin. Ana makes a role that may and gives it to her: she pins and unpins through every
/// gateway. Ana takes it away through another gateway than the one she gave it through, and from then on no gateway lets Bea.
pub(super) async fn lets_its_carrier_pin(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let note = PostMessage::new(Ulid::generate(), "Worth keeping".to_owned());
    let note = ana.api.post(chat, &note).await.context("posting")?.message.id;
    let faces: Vec<_> = bea.gateways.iter().map(|gateway| bea.api.at(gateway)).collect();
    let refused = |answer: Result<(), ApiError>| -> Result<()> {
        ensure!(answer.as_ref().err().and_then(ApiError::code) == Some("not_allowed"), "{answer:?}");
        Ok(())
    };
    for face in &faces {
        refused(face.pin(chat, note).await)?;
    }

    let role = format!("/v1/conversations/{chat}/roles/{}", RoleId::from_ulid(Ulid::generate()));
    let (name, allow) = ("Keeper".to_owned(), vec!["pin".to_owned()]);
    let keeper = PutRole { name, allow, deny: Vec::new(), mentionable: false };
    let _: serde_json::Value = ana.api.send(Method::PUT, &role, Some(&keeper)).await.context("a role")?;
    let carried = role.replace("/roles/", &format!("/members/{}/roles/", bea.id()));
    let _: serde_json::Value = ana.api.send::<(), _>(Method::PUT, &carried, None).await.context("giving")?;
    for face in &faces {
        face.pin(chat, note).await.context("pinning with the role")?;
        ensure!(
            ana.api.pins(chat).await?.items.iter().any(|pin| pin.message.id == note && pin.by == bea.id())
        );
        face.unpin(chat, note).await.context("unpinning with the role")?;
    }

    let elsewhere = ana.api.at(&ana.gateways[1 % ana.gateways.len()]);
    let _: serde_json::Value =
        elsewhere.send::<(), _>(Method::DELETE, &carried, None).await.context("taking")?;
    for face in &faces {
        refused(face.pin(chat, note).await)?;
    }
    ensure!(ana.api.pins(chat).await?.items.is_empty());
    Ok(())
}
