//! What the mesh counts about instances elsewhere, by role.

use tertulia_runtime::{
    Metrics,
    metrics::{Counter, Family},
};

use crate::breaker::Cause;

type ByRole = [(&'static str, String); 1];
type ByRoleAnd = [(&'static str, String); 2];

pub(crate) struct Counts {
    attempts: Family<ByRoleAnd, Counter>,
    retries: Family<ByRole, Counter>,
    denied: Family<ByRole, Counter>,
    ejections: Family<ByRoleAnd, Counter>,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let mesh = metrics.sub("mesh");
        Self {
            attempts: mesh.family("attempts", "Requests sent to instances elsewhere, by how that ended"),
            retries: mesh.family("retries", "Requests tried on another instance, of which some was sent"),
            denied: mesh.family("retries_denied", "Retries that the budget did not allow"),
            ejections: mesh.family("ejections", "Times that an instance was left alone for a while, by why"),
        }
    }

    pub(crate) fn attempt(&self, role: &str, outcome: &'static str) {
        let labels = [("role", role.to_owned()), ("outcome", outcome.to_owned())];
        self.attempts.get_or_create(&labels).inc();
    }

    pub(crate) fn retry(&self, role: &str, is_allowed: bool) {
        let counted = if is_allowed { &self.retries } else { &self.denied };
        counted.get_or_create(&[("role", role.to_owned())]).inc();
    }

    pub(crate) fn ejection(&self, role: &str, cause: Cause) {
        let cause = match cause {
            Cause::Refusing => "refusing",
            Cause::Failing => "failing",
        };
        let labels = [("role", role.to_owned()), ("cause", cause.to_owned())];
        self.ejections.get_or_create(&labels).inc();
    }
}
