//! What becomes of all that when the agent forgets, falls silent or dies.

use std::{sync::Arc, time::Duration};

use tertulia_runtime::testkit::eventually;
use tokio::sync::watch;

use super::{Loss, Rig, instance, see, see_instances};
use crate::{Discovery, Instance, Registration, View};

/// A node that serves a role and watches it.
struct Serving {
    node: Arc<dyn Discovery>,
    instance: Instance,
    views: watch::Receiver<View>,
    _registration: Box<dyn Registration>,
}

async fn serving(rig: &dyn Rig) -> Serving {
    let (node, instance) = (rig.node().await, instance("auth", 1));
    let mut views = node.watch("auth");
    // An agent that has just come back may still be electing itself: that is an error to its caller, and passes.
    let registration =
        eventually(rig.patience(), || async { node.register(instance.clone()).await.ok() }).await;
    see_instances(rig, &mut views, std::slice::from_ref(&instance)).await;
    Serving { node, instance, views, _registration: registration }
}

pub(super) async fn an_unhealthy_instance_is_not_returned(rig: Arc<dyn Rig>) {
    let mut serving = serving(&*rig).await;
    rig.plant_unhealthy(&instance("auth", 2)).await;
    // This one comes after it, so when it is seen the other would be.
    let third = instance("auth", 3);
    let _third = serving.node.register(third.clone()).await.expect("it registers");
    see_instances(&*rig, &mut serving.views, &[serving.instance, third]).await;
}

pub(super) async fn an_agent_that_has_forgotten_is_told_again(rig: Arc<dyn Rig>) {
    let mut serving = serving(&*rig).await;
    rig.forget(&serving.instance).await;
    see_instances(&*rig, &mut serving.views, &[]).await;
    see_instances(&*rig, &mut serving.views, &[serving.instance]).await;
}

pub(super) async fn the_last_known_answer_stands_while_the_agent_is_dead(rig: Arc<dyn Rig>) {
    the_last_known_answer_stands(&*rig, Loss::Killed).await;
}

pub(super) async fn the_last_known_answer_stands_while_the_agent_is_silent(rig: Arc<dyn Rig>) {
    the_last_known_answer_stands(&*rig, Loss::Silent).await;
}

/// Each loss has an agent of its own. One that has just come back first tells of instances what it kept of them, and then
/// what it heard since: whoever takes it away in between is left with the wrong one.
async fn the_last_known_answer_stands(rig: &dyn Rig, loss: Loss) {
    let mut serving = serving(rig).await;
    rig.lose_agent(loss).await;
    let longer = tokio::time::sleep(rig.ttl() * 2);
    let forgotten = serving.views.wait_for(|view| view.instances.is_empty());
    tokio::select! {
        () = longer => {}
        _ = forgotten => panic!("{loss:?}: what was known is forgotten"),
    }
}

pub(super) async fn an_old_answer_is_said_to_be_stale(rig: Arc<dyn Rig>) {
    for loss in [Loss::Killed, Loss::Silent] {
        let mut serving = serving(&*rig).await;
        rig.lose_agent(loss).await;
        let old = see(&*rig, &mut serving.views, |view| view.stale).await;
        assert_eq!(*old.instances, [serving.instance.clone()], "{loss:?}");
        rig.return_agent().await;
        see_instances(&*rig, &mut serving.views, &[serving.instance]).await;
    }
}

pub(super) async fn an_agents_restart_is_survived(rig: Arc<dyn Rig>) {
    let mut serving = serving(&*rig).await;
    rig.lose_agent(Loss::Killed).await;
    see(&*rig, &mut serving.views, |view| view.stale).await;
    rig.return_agent().await;
    see_instances(&*rig, &mut serving.views, std::slice::from_ref(&serving.instance)).await;
    let second = instance("auth", 2);
    let _second =
        eventually(rig.patience(), || async { serving.node.register(second.clone()).await.ok() }).await;
    let both = [serving.instance, second];
    see_instances(&*rig, &mut serving.views, &both).await;
    see_instances(&*rig, &mut rig.node().await.watch("auth"), &both).await;
    // An agent that has just come back may tell for a moment that one is gone, before it has heard of it anew.
    tokio::time::sleep(rig.ttl() * 2).await;
    see_instances(&*rig, &mut serving.views, &both).await;
    // Each goes on being renewed.
    let later = tokio::time::sleep(rig.ttl() * 2);
    let fewer = serving.views.wait_for(|view| view.instances.len() < 2);
    tokio::select! {
        () = later => {}
        _ = fewer => panic!("one was lost after the restart"),
    }
}

pub(super) async fn check_fails_while_the_agent_is_away(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    for loss in [Loss::Killed, Loss::Silent] {
        rig.lose_agent(loss).await;
        let checked = tokio::time::timeout(Duration::from_secs(10), node.check()).await;
        assert!(checked.expect("a check ends").is_err(), "{loss:?}");
        rig.return_agent().await;
        eventually(rig.patience(), || async { node.check().await.ok() }).await;
    }
}
