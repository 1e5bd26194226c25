//! Invitations to the instance: made, listed and withdrawn by the operator, and used by whoever makes an account.

use std::time::Duration;

use tertulia_contracts::{
    InvitationId, UserId,
    auth::{
        CreateInstanceInvitation, INVITATION_SECRET_PREFIX, InstanceInvitations, ListInstanceInvitations,
        MadeInstanceInvitation, Registration,
    },
    identity::marked_secret,
};
use tertulia_documents::{self as documents, Cursor};
use tertulia_runtime::{Event, secret};

use crate::{
    Auth, Error,
    model::{
        account::Account,
        audit::{Deed, Origin, details},
        invitation::{Invitation, Invited},
    },
    store::Taken,
};

const DEFAULT_LIFE: Duration = Duration::from_hours(7 * 24);
const DEFAULT_PAGE: usize = 50;
const ATTEMPTS: usize = 4;

impl Auth {
    /// Makes an invitation. Nobody sees its secret again.
    pub(crate) async fn invite(
        &self,
        by: UserId,
        origin: &Origin,
        request: CreateInstanceInvitation,
    ) -> Result<MadeInstanceInvitation, Error> {
        let secret = marked_secret(INVITATION_SECRET_PREFIX, &*self.ambient.entropy);
        let created_at = self.ambient.now();
        let life = request.expires_in_s.map_or(DEFAULT_LIFE, |s| Duration::from_secs(s.into()));
        let invitation = Invitation {
            id: self.ambient.ids.next(),
            fingerprint: secret::fingerprint(&secret),
            created_by: by,
            created_at,
            expires_at: created_at.plus(life),
            max_uses: request.max_uses.unwrap_or(1),
            note: request.note.map(|note| note.trim().to_owned()),
        };
        let about = details([
            ("invitation", invitation.id.to_string()),
            ("max_uses", invitation.max_uses.to_string()),
            ("expires_at", invitation.expires_at.to_string()),
        ]);
        let noted = self.note(Deed::InvitationCreated, &origin.by(by), None, about);
        self.store.invitations.insert(&invitation, vec![noted]).await?;
        Ok(MadeInstanceInvitation { invitation: invitation.view(0), secret })
    }

    /// The invitations that still may be used, newest first, with how often they were.
    pub(crate) async fn invitations(
        &self,
        query: &ListInstanceInvitations,
    ) -> Result<InstanceInvitations, Error> {
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let page = self.store.invitations_page(after, query.limit.unwrap_or(DEFAULT_PAGE)).await?;
        let now = self.ambient.now();
        let mut items = Vec::new();
        for invitation in page.items.iter().map(|found| &found.value).filter(|it| now < it.expires_at) {
            items.push(invitation.view(self.store.places_taken(invitation.id).await?));
        }
        Ok(InstanceInvitations { items, next_cursor: page.next.map(|cursor| cursor.encode()) })
    }

    /// Withdraws an invitation. Who is just making an account by it may still get in.
    pub(crate) async fn withdraw_invitation(&self, id: InvitationId, origin: &Origin) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let found =
                self.store.invitations.get(&id.to_string()).await?.ok_or(Error::InvitationNotFound)?;
            let about = details([("invitation", id.to_string())]);
            let noted = self.note(Deed::InvitationWithdrawn, origin, None, about);
            match self.store.invitations.delete(&id.to_string(), found.revision, vec![noted]).await {
                Ok(()) => return Ok(()),
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// The invitation that an account is to be made by, if it takes one. Fails unless the instance takes whoever comes so.
    pub(super) async fn admit(&self, invitation: Option<&str>) -> Result<Option<Invitation>, Error> {
        match self.config.registration {
            Registration::Open => return Ok(None),
            Registration::Closed => return Err(Error::RegistrationClosed),
            Registration::Invitation => {}
        }
        // Found by its fingerprint: how long the search takes tells nothing of a secret.
        let fingerprint = secret::fingerprint(invitation.ok_or(Error::InvitationRequired)?);
        let found = self.store.invitation_of(&fingerprint).await?;
        let good = found.filter(|it| self.ambient.now() < it.expires_at).ok_or(Error::InvitationInvalid)?;
        let taken = self.store.places_taken(good.id).await?;
        if taken < good.max_uses { Ok(Some(good)) } else { Err(Error::InvitationInvalid) }
    }

    /// Adds an account that takes a place of this invitation. That a place is taken once is for the account's commit to
    /// decide, so uses are exact however many come at once, and an account that is not made uses nothing up.
    pub(super) async fn add_invited(
        &self,
        account: &mut Account,
        by: &Invitation,
        events: Vec<Event>,
    ) -> Result<Option<Taken>, Error> {
        // A second of hashing has passed.
        if self.store.invitation_of(&by.fingerprint).await?.is_none() {
            return Err(Error::InvitationInvalid);
        }
        for place in self.store.places_taken(by.id).await?..by.max_uses {
            account.invited = Some(Invited { by: by.id, place });
            match self.store.add_account(account, events.clone()).await? {
                Some(Taken::Place) => {}
                added => return Ok(added),
            }
        }
        Err(Error::InvitationInvalid)
    }
}
