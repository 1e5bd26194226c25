//! Crooked instances: they refuse, break off, fail or say nothing, and what of it a caller notices.

use std::sync::Mutex;

use tertulia_mesh::{DEADLINE_MS, Repeatable, within_deadline};
use tertulia_runtime::Metrics;

use super::*;

/// What an instance does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Answer,
    Status(StatusCode),
    BreakOff,
    Silence,
}

/// One instance, whose way can be changed and whose requests are counted.
struct Crooked {
    way: Arc<Mutex<Way>>,
    asked: Arc<AtomicUsize>,
}

impl Crooked {
    fn turn(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

/// Some instances, a mesh that knows them, and what it counts.
struct House {
    instances: Vec<Crooked>,
    mesh: Mesh,
    metrics: Metrics,
}

/// Failures are found after three; time alone is long enough to last for a test and can be made short.
fn impatient() -> MeshConfig {
    MeshConfig { failures: 3, pass_over: Duration::from_mins(5), ..MeshConfig::default() }
}

async fn house(ways: &[Way], config: MeshConfig) -> House {
    let discovery = StaticDiscovery::default();
    let mut instances = Vec::new();
    for (number, way) in ways.iter().enumerate() {
        let crooked = Crooked { way: Arc::new(Mutex::new(*way)), asked: Arc::default() };
        let (way, asked) = (crooked.way.clone(), crooked.asked.clone());
        let router = Router::new().fallback(move |body: Bytes| {
            asked.fetch_add(1, Ordering::SeqCst);
            let way = *way.lock().unwrap();
            async move { behave(way, body).await }
        });
        let address = serve(router).await;
        let instance = Instance { role: ROLE.to_owned(), id: format!("{ROLE}-{number}"), address };
        std::mem::forget(discovery.register(instance).await.unwrap());
        instances.push(crooked);
    }
    let metrics = Metrics::new();
    let mesh = Mesh::counted(Arc::new(discovery), Arc::new(SeededEntropy::new(7)), config, &metrics);
    House { instances, mesh, metrics }
}

async fn behave(way: Way, body: Bytes) -> Response {
    match way {
        Way::Answer => body.into_response(),
        Way::Status(status) => status.into_response(),
        Way::BreakOff => panic!("an instance dies"),
        Way::Silence => std::future::pending().await,
    }
}

impl House {
    async fn get(&self) -> Result<Response, MeshError> {
        self.mesh.call(ROLE, get_request("/")).await
    }

    async fn post(&self, is_repeatable: bool) -> Result<Response, MeshError> {
        let body = Bytes::from_static(b"whole");
        let mut request = Request::post("/").body(Body::from(body.clone())).unwrap();
        if is_repeatable {
            request.extensions_mut().insert(Repeatable(body));
        }
        self.mesh.call(ROLE, request).await
    }

    fn counted(&self, sample: &str) -> bool {
        self.metrics.text().contains(&format!("tertulia_mesh_{sample}\n"))
    }
}

#[tokio::test]
async fn what_reads_and_what_may_be_repeated_goes_on_to_another_instance() {
    let away =
        [Way::BreakOff, Way::Status(StatusCode::BAD_GATEWAY), Way::Status(StatusCode::SERVICE_UNAVAILABLE)];
    for way in away {
        let config = MeshConfig { retries_per_second: 10, failures: 1000, ..impatient() };
        let house = house(&[way, Way::Answer], config).await;
        for _ in 0..20 {
            assert_eq!(house.get().await.unwrap().status(), StatusCode::OK, "{way:?}");
            let answer = house.post(true).await.unwrap();
            assert_eq!((answer.status(), text(answer).await.as_str()), (StatusCode::OK, "whole"), "{way:?}");
        }
        let crooked = house.instances[0].asked();
        assert!(crooked > 0 && house.instances[1].asked() == 40);
        assert!(house.counted(&format!("retries_total{{role=\"messaging\"}} {crooked}")), "{crooked}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let house = house(&[Way::BreakOff, Way::BreakOff, Way::BreakOff], impatient()).await;
    let error = house.post(false).await.unwrap_err();
    assert_eq!(error.code(), "service_broke_off");
    assert_eq!(house.instances.iter().map(Crooked::asked).sum::<usize>(), 1);
    // A fault of the request's own would be one everywhere.
    house.instances.iter().for_each(|it| it.turn(Way::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    assert_eq!(house.get().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(house.instances.iter().map(Crooked::asked).sum::<usize>(), 1);
}

#[tokio::test]
async fn retries_end_with_their_budget_and_with_the_third_instance() {
    let gone = Way::Status(StatusCode::SERVICE_UNAVAILABLE);
    let config = MeshConfig { retries_per_second: 1, failures: 1000, ..impatient() };
    let house = house(&[gone; 5], config).await;
    assert_eq!(house.get().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let asked: Vec<usize> = house.instances.iter().map(Crooked::asked).collect();
    assert_eq!(asked.iter().sum::<usize>(), 3);
    assert!(asked.iter().all(|asked| *asked <= 1), "each is asked once: {asked:?}");
    for _ in 0..99 {
        assert_eq!(house.get().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    // Ten seconds' floor and a tenth of a hundred, and what the time that the test took brings.
    let asked = house.instances.iter().map(Crooked::asked).sum::<usize>() + 3;
    assert!((115..=130).contains(&asked), "{asked} attempts for 100 requests");
    assert!(house.metrics.text().contains("tertulia_mesh_retries_denied_total{role=\"messaging\"}"));
}

#[tokio::test]
async fn an_instance_that_fails_is_left_alone_until_one_request_has_tried_it() {
    let config = MeshConfig { pass_over: Duration::from_millis(200), ..impatient() };
    let house = house(&[Way::Status(StatusCode::INTERNAL_SERVER_ERROR), Way::Answer], config).await;
    let mut failed = 0;
    while !house.counted("ejections_total{role=\"messaging\",cause=\"failing\"} 1") {
        failed += usize::from(house.post(false).await.unwrap().status().is_server_error());
        assert!(failed <= 3);
    }
    assert_eq!(failed, 3);
    house.instances[0].turn(Way::Answer);
    house.instances[0].asked();
    let mut calls = 0;
    let trial = async {
        while house.instances[0].asked() == 0 {
            assert_eq!(house.post(false).await.unwrap().status(), StatusCode::OK);
            calls += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), trial).await.expect("it is tried again");
    assert!(calls > 1, "for a while nothing went there");
}

#[tokio::test]
async fn when_all_fail_all_are_asked() {
    let gone = Way::Status(StatusCode::SERVICE_UNAVAILABLE);
    let house = house(&[gone; 3], impatient()).await;
    for _ in 0..60 {
        assert_eq!(house.post(false).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    for instance in &house.instances {
        instance.turn(Way::Answer);
        assert!(instance.asked() > 5);
    }
    for _ in 0..60 {
        assert_eq!(house.post(false).await.unwrap().status(), StatusCode::OK);
    }
    let asked: Vec<usize> = house.instances.iter().map(Crooked::asked).collect();
    assert!(asked.iter().all(|asked| *asked > 5), "no instance was taken out for good: {asked:?}");
}

#[tokio::test]
async fn silence_counts_as_a_failure_only_when_there_was_time_to_answer() {
    let call = async |house: &House| {
        let mut request = Request::post("/").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Deadline(Duration::from_millis(20)));
        house.mesh.call(ROLE, request).await
    };
    for (fair_wait, is_taken_out) in [(Duration::from_secs(1), false), (Duration::from_millis(20), true)] {
        let house = house(&[Way::Silence, Way::Answer], MeshConfig { fair_wait, ..impatient() }).await;
        let mut late = 0;
        for _ in 0..60 {
            match call(&house).await {
                Ok(answer) => assert_eq!(answer.status(), StatusCode::OK),
                Err(error) => late += usize::from(error.kind() == Kind::Timeout),
            }
        }
        assert_eq!(late == 3, is_taken_out, "{late} of 60 were late");
    }
}

/// A role that asks itself once more, and says how much time each of the two was told.
fn nested(mesh: Mesh) -> Router {
    let told = |headers: &HeaderMap| headers[DEADLINE_MS].to_str().unwrap().to_owned();
    let outer = async move |headers: HeaderMap| {
        let mut request = get_request("/inner");
        request.extensions_mut().insert(Deadline(Duration::from_hours(1)));
        let inner = text(mesh.call(ROLE, request).await.unwrap()).await;
        format!("{} {inner}", told(&headers))
    };
    let inner = async move |headers: HeaderMap| told(&headers);
    within_deadline(Router::new().route("/inner", get(inner)).route("/outer", get(outer)))
}

#[tokio::test]
async fn the_time_that_is_left_goes_along_and_never_grows() {
    let here = mesh(StaticDiscovery::default());
    here.mount(ROLE, nested(here.clone()));
    let elsewhere = mesh_to(nested(here.clone())).await;
    for (way, mesh) in [("here", here), ("elsewhere", elsewhere)] {
        let mut request = get_request("/outer");
        request.extensions_mut().insert(Deadline(Duration::from_secs(9)));
        let told = text(mesh.call(ROLE, request).await.unwrap()).await;
        let (outer, inner) = told.split_once(' ').unwrap();
        let (outer, inner): (u64, u64) = (outer.parse().unwrap(), inner.parse().unwrap());
        assert!(inner <= outer && outer <= 9000 && inner > 0, "{way}: {told}");
    }
}
