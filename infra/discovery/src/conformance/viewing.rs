//! What nodes see of each other while all is well.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Rig, instance, see, see_instances};

pub(super) async fn what_is_registered_is_found_on_every_node(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    let instances = [instance("auth", 1), instance("auth", 2)];
    let mut early = other.watch("auth");
    let _first = one.register(instances[0].clone()).await.expect("it registers");
    let _second = other.register(instances[1].clone()).await.expect("it registers");
    for views in
        [&mut early, &mut one.watch("auth"), &mut other.watch("auth"), &mut rig.node().await.watch("auth")]
    {
        see_instances(&*rig, views, &instances).await;
    }
}

pub(super) async fn roles_do_not_mix(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    let (auth, messaging) = (instance("auth", 1), instance("messaging", 1));
    let _auth = node.register(auth.clone()).await.expect("it registers");
    let _messaging = node.register(messaging.clone()).await.expect("it registers");
    see_instances(&*rig, &mut node.watch("auth"), &[auth]).await;
    see_instances(&*rig, &mut node.watch("messaging"), &[messaging]).await;
}

pub(super) async fn instances_come_in_the_order_of_their_ids(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    let mut instances = [3, 1, 2].map(|number| instance("auth", number));
    let mut kept = Vec::new();
    for instance in &instances {
        kept.push(node.register(instance.clone()).await.expect("it registers"));
    }
    instances.sort_by(|one, other| one.id.cmp(&other.id));
    see_instances(&*rig, &mut node.watch("auth"), &instances).await;
}

pub(super) async fn registering_an_id_again_replaces_it(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    let mut views = other.watch("auth");
    let before = instance("auth", 1);
    let _before = one.register(before.clone()).await.expect("it registers");
    see_instances(&*rig, &mut views, std::slice::from_ref(&before)).await;
    let after = crate::Instance { address: ([127, 0, 0, 2], 30_000).into(), ..before };
    let _after = one.register(after.clone()).await.expect("it registers");
    see_instances(&*rig, &mut views, &[after]).await;
}

pub(super) async fn a_role_that_nobody_serves_is_known_to_be_empty(rig: Arc<dyn Rig>) {
    see_instances(&*rig, &mut rig.node().await.watch("nobody"), &[]).await;
}

pub(super) async fn a_change_is_seen_within_a_second(rig: Arc<dyn Rig>) {
    const ROUNDS: usize = 5;
    let (one, other) = (rig.node().await, rig.node().await);
    let mut views = other.watch("auth");
    see_instances(&*rig, &mut views, &[]).await;
    let mut delays = Vec::new();
    for _ in 0..ROUNDS {
        let expected = instance("auth", 1);
        let registration = one.register(expected.clone()).await.expect("it registers");
        let begun = Instant::now();
        see_instances(&*rig, &mut views, &[expected]).await;
        delays.push(begun.elapsed());
        registration.deregister().await.expect("it deregisters");
        let begun = Instant::now();
        see_instances(&*rig, &mut views, &[]).await;
        delays.push(begun.elapsed());
    }
    delays.sort_unstable();
    // The machine may hold its breath once; the adapter must not.
    assert!(delays[ROUNDS] < Duration::from_secs(1), "{delays:?}");
}

pub(super) async fn a_deregistered_instance_is_gone(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    let mut views = other.watch("auth");
    let (going, staying) = (instance("auth", 1), instance("auth", 2));
    let registration = one.register(going.clone()).await.expect("it registers");
    let _staying = one.register(staying.clone()).await.expect("it registers");
    see_instances(&*rig, &mut views, &[going, staying.clone()]).await;
    registration.deregister().await.expect("it deregisters");
    see_instances(&*rig, &mut views, std::slice::from_ref(&staying)).await;
    // Nor does a renewal that was under way bring it back.
    let later = tokio::time::sleep(rig.ttl());
    let back = async { views.wait_for(|view| view.instances.len() != 1).await.map(|view| view.clone()) };
    tokio::select! {
        () = later => {}
        view = back => panic!("it came back: {view:?}"),
    }
}

pub(super) async fn one_that_stops_renewing_is_gone_after_its_time(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    let mut views = other.watch("auth");
    let (dying, living) = (instance("auth", 1), instance("auth", 2));
    let registration = one.register(dying.clone()).await.expect("it registers");
    let _living = other.register(living.clone()).await.expect("it registers");
    see_instances(&*rig, &mut views, &[dying, living.clone()]).await;
    drop(registration);
    see_instances(&*rig, &mut views, &[living]).await;
}

pub(super) async fn one_that_lives_stays_beyond_its_time(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    let mut views = node.watch("auth");
    let living = instance("auth", 1);
    let _registration = node.register(living.clone()).await.expect("it registers");
    see_instances(&*rig, &mut views, &[living]).await;
    let lifetimes = tokio::time::sleep(rig.ttl() * 3 + Duration::from_millis(200));
    let gone = see(&*rig, &mut views, |view| view.instances.is_empty());
    tokio::select! {
        () = lifetimes => {}
        _ = gone => panic!("it was taken for dead"),
    }
}

pub(super) async fn check_passes_while_all_is_well(rig: Arc<dyn Rig>) {
    rig.node().await.check().await.expect("the agent answers");
}
