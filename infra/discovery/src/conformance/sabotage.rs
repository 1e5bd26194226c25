//! Adapters that break a promise on purpose.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Loss, Rig};
use crate::{Discovery, Error, Instance, Registration, View};

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Leaves out the last instance.
    HidesOne,
    /// Shows the instances of every role under each.
    MixesRoles,
    /// Shows the last one first.
    Reverses,
    /// Registers an id only once.
    KeepsTheFirst,
    /// Calls every view stale.
    NeverSettles,
    /// Shows each change a second and a half later.
    SeesLate,
    /// Deregisters nothing.
    KeepsDeregistered,
    /// Goes on renewing what was dropped.
    RenewsForTheDead,
    /// Registers once and leaves it at that.
    RenewsNothing,
    /// Finds an agent that answers away, and one that is away answering.
    ChecksWrongly,
    /// Shows instances that failed their checks.
    ReturnsTheUnhealthy,
    /// Shows nobody while the agent is away.
    ForgetsWhileAway,
    /// Calls no view stale.
    SaysFresh,
    /// Keeps showing what was known when the agent was lost.
    StaysAway,
}

/// A rig whose nodes have a fault, over one whose nodes have none.
pub struct SabotagedRig {
    inner: Arc<dyn Rig>,
    fault: Fault,
    wrong: Arc<Wrong>,
}

/// What the faults of all nodes share.
#[derive(Default)]
struct Wrong {
    is_away: AtomicBool,
    was_away: AtomicBool,
    unhealthy: Mutex<Vec<Instance>>,
    registered: Mutex<Vec<Instance>>,
    kept: Mutex<Vec<Box<dyn Registration>>>,
}

impl SabotagedRig {
    /// Breaks a rig.
    pub fn new(inner: Arc<dyn Rig>, fault: Fault) -> Self {
        Self { inner, fault, wrong: Arc::default() }
    }
}

#[async_trait]
impl Rig for SabotagedRig {
    async fn node(&self) -> Arc<dyn Discovery> {
        Arc::new(Saboteur { inner: self.inner.node().await, fault: self.fault, wrong: self.wrong.clone() })
    }

    fn ttl(&self) -> Duration {
        self.inner.ttl()
    }

    async fn lose_agent(&self, loss: Loss) {
        self.wrong.is_away.store(true, Ordering::SeqCst);
        self.wrong.was_away.store(true, Ordering::SeqCst);
        self.inner.lose_agent(loss).await;
    }

    async fn return_agent(&self) {
        self.wrong.is_away.store(false, Ordering::SeqCst);
        self.inner.return_agent().await;
    }

    async fn forget(&self, instance: &Instance) {
        self.inner.forget(instance).await;
    }

    async fn plant_unhealthy(&self, instance: &Instance) {
        locked(&self.wrong.unhealthy).push(instance.clone());
        self.inner.plant_unhealthy(instance).await;
    }

    /// Long enough for a sound adapter on most days; a faulty one is not worth more.
    fn patience(&self) -> Duration {
        self.inner.ttl() + Duration::from_secs(4)
    }
}

struct Saboteur {
    inner: Arc<dyn Discovery>,
    fault: Fault,
    wrong: Arc<Wrong>,
}

#[async_trait]
impl Discovery for Saboteur {
    async fn register(&self, instance: Instance) -> Result<Box<dyn Registration>, Error> {
        let is_known = locked(&self.wrong.registered).iter().any(|known| known.id == instance.id);
        locked(&self.wrong.registered).push(instance.clone());
        if self.fault == Fault::KeepsTheFirst && is_known {
            return Ok(Box::new(Nothing));
        }
        let registration = self.inner.register(instance).await?;
        match self.fault {
            Fault::KeepsDeregistered | Fault::RenewsForTheDead => {
                locked(&self.wrong.kept).push(registration);
                Ok(Box::new(Nothing))
            }
            Fault::RenewsNothing => Ok(Box::new(Nothing)),
            _ => Ok(registration),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "it ends with the views on both its sides")]
    fn watch(&self, role: &str) -> watch::Receiver<View> {
        let mut sound = self.inner.watch(role);
        let (fault, wrong) = (self.fault, self.wrong.clone());
        let (sender, receiver) = watch::channel(wrong.spoil(fault, &sound.borrow()));
        tokio::spawn(async move {
            // The faults that depend on the agent's being away change without a change of the view.
            let mut again = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    changed = sound.changed() => if changed.is_err() { return },
                    _ = again.tick() => {}
                    () = sender.closed() => return,
                }
                if fault == Fault::SeesLate {
                    tokio::time::sleep(Duration::from_millis(1_500)).await;
                }
                if fault == Fault::StaysAway && wrong.was_away.load(Ordering::SeqCst) {
                    sender.send_modify(|view| view.stale = true);
                    return sender.closed().await;
                }
                sender.send_replace(wrong.spoil(fault, &sound.borrow_and_update()));
            }
        });
        receiver
    }

    async fn check(&self) -> Result<(), Error> {
        match (self.fault, self.inner.check().await) {
            (Fault::ChecksWrongly, Ok(())) => Err(Error::Unavailable("sabotaged".to_owned())),
            (Fault::ChecksWrongly, Err(_)) => Ok(()),
            (_, sound) => sound,
        }
    }
}

impl Wrong {
    fn spoil(&self, fault: Fault, sound: &View) -> View {
        let mut instances = sound.instances.to_vec();
        let mut stale = sound.stale;
        match fault {
            Fault::HidesOne => drop(instances.pop()),
            Fault::MixesRoles => instances.clone_from(&locked(&self.registered)),
            Fault::Reverses => instances.reverse(),
            Fault::NeverSettles => stale = true,
            Fault::ReturnsTheUnhealthy => instances.extend(locked(&self.unhealthy).iter().cloned()),
            Fault::ForgetsWhileAway if self.is_away.load(Ordering::SeqCst) => instances.clear(),
            Fault::SaysFresh => stale = false,
            _ => {}
        }
        View { instances: instances.into(), stale }
    }
}

/// A registration of nothing.
struct Nothing;

#[async_trait]
impl Registration for Nothing {
    async fn deregister(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
