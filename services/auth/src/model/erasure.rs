//! What is left of an account that was erased: that there was one, so that its events and its report have a place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    auth::{Erasure, FORGETTING, ForgottenBy},
};
use tertulia_runtime::{Timestamp, secret};

use super::account::Account;

/// That an account was erased.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Erased {
    /// When.
    pub(crate) at: Timestamp,
    /// Who asked for it.
    pub(crate) by: UserId,
    /// The fingerprint of its handle, which nobody else is to be called: they would pose as who is gone.
    pub(crate) held_handle: String,
    /// The fingerprint of what its report is shown for.
    pub(crate) receipt: String,
    /// The identities elsewhere that are to be free again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<String>,
    /// When auth is to look whether anything of it is left; none once there is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) look_at: Option<Timestamp>,
    /// How often it has looked.
    #[serde(default)]
    pub(crate) looks: u32,
    /// What each service removed, auth as far as it has come.
    #[serde(default)]
    pub(crate) services: BTreeMap<String, Forgotten>,
}

/// What a service removed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Forgotten {
    /// When it was done; none while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    /// How much, by what it was.
    pub(crate) removed: BTreeMap<String, u64>,
}

impl Account {
    /// What is left of it when it is erased. Only what is named here is kept: its id, the place that it took of an invitation,
    /// and which of its access tokens are over.
    pub(crate) fn erased(&self, by: UserId, receipt: &str, now: Timestamp) -> Self {
        let held_handle = secret::fingerprint(&self.handle);
        let claims = self.identities.iter().map(|linked| linked.subject.fingerprint()).collect();
        let erased = Erased {
            at: now,
            by,
            held_handle,
            receipt: secret::fingerprint(receipt),
            claims,
            look_at: Some(now),
            looks: 0,
            services: BTreeMap::new(),
        };
        let mut left = Self {
            epoch: self.epoch,
            generation: self.generation + 1,
            invited: self.invited,
            erased: Some(erased),
            ..Self::new(self.id, String::new(), String::new(), self.created_at)
        };
        left.begin_epoch(now);
        left
    }
}

impl Erased {
    /// As it is reported.
    pub(crate) fn report(&self, user_id: UserId) -> Erasure {
        let done = self.services.iter().filter_map(|(service, forgotten)| {
            let at = forgotten.at?;
            Some(ForgottenBy { service: service.clone(), at, removed: forgotten.removed.clone() })
        });
        let services: Vec<ForgottenBy> = done.collect();
        let waits = |service: &&str| services.iter().all(|done| done.service != **service);
        let waiting_for: Vec<String> = FORGETTING.iter().copied().filter(waits).map(str::to_owned).collect();
        let last = services.iter().map(|done| done.at).max();
        Erasure {
            user_id,
            erased_at: self.at,
            by: self.by,
            completed_at: last.filter(|_| waiting_for.is_empty()),
            services,
            waiting_for,
        }
    }

    /// Adds to what a service removed.
    pub(crate) fn count(&mut self, service: &str, removed: &[(&str, usize)]) {
        let counts = &mut self.services.entry(service.to_owned()).or_default().removed;
        for (what, number) in removed {
            *counts.entry((*what).to_owned()).or_default() += *number as u64;
        }
    }

    /// What a service tells: the first word counts, since it may come twice.
    pub(crate) fn take(&mut self, service: &str, removed: BTreeMap<String, u64>, now: Timestamp) {
        let forgotten = Forgotten { at: Some(now), removed };
        self.services.entry(service.to_owned()).or_insert(forgotten);
    }
}
