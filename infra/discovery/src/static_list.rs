//! Discovery without an agent: what is registered in this process and what the configuration lists.
//!
//! Everything listed counts as healthy for as long as the process runs: there is nobody to check it. The mesh
//! leaves alone an instance that refuses connections or fails, and that is all the protection there is.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Discovery, Error, Instance, Registration, View};

/// A fixed list of addresses, plus registrations within this process. Clones share everything.
#[derive(Clone, Default)]
pub struct StaticDiscovery {
    views: Arc<Mutex<HashMap<String, watch::Sender<View>>>>,
}

impl StaticDiscovery {
    /// Starts with these addresses for these roles; with none, only what is registered is found.
    pub fn new(listed: impl IntoIterator<Item = (String, SocketAddr)>) -> Self {
        let discovery = Self::default();
        for (role, address) in listed {
            discovery.insert(Instance { id: format!("{role}@{address}"), role, address });
        }
        discovery
    }

    fn insert(&self, instance: Instance) {
        self.update(&instance.role.clone(), |instances| {
            instances.retain(|known| known.id != instance.id);
            instances.push(instance);
            instances.sort_by(|one, other| one.id.cmp(&other.id));
        });
    }

    fn remove(&self, instance: &Instance) {
        self.update(&instance.role, |instances| instances.retain(|known| known != instance));
    }

    fn update(&self, role: &str, change: impl FnOnce(&mut Vec<Instance>)) {
        self.with_view(role, |sender| {
            sender.send_modify(|view| {
                let mut instances = view.instances.to_vec();
                change(&mut instances);
                view.instances = instances.into();
            });
        });
    }

    fn with_view<R>(&self, role: &str, act: impl FnOnce(&watch::Sender<View>) -> R) -> R {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        act(views.entry(role.to_owned()).or_default())
    }
}

#[async_trait]
impl Discovery for StaticDiscovery {
    async fn register(&self, instance: Instance) -> Result<Box<dyn Registration>, Error> {
        self.insert(instance.clone());
        Ok(Box::new(Registered { discovery: self.clone(), instance }))
    }

    fn watch(&self, role: &str) -> watch::Receiver<View> {
        self.with_view(role, watch::Sender::subscribe)
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct Registered {
    discovery: StaticDiscovery,
    instance: Instance,
}

#[async_trait]
impl Registration for Registered {
    async fn deregister(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.discovery.remove(&self.instance);
    }
}
