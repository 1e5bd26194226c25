//! Every server starts, answers, keeps what it acknowledged through a kill, and leaves no process behind.

use std::time::Duration;

use crate::common::{ask, http, processes_in};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use mongodb::bson::{Document, doc};
use tertulia_testbed::{Server, Testbed, consul, ferretdb, nginx, rabbitmq, redis, secantusdb, toxiproxy};

#[tokio::test]
async fn redis_keeps_its_data() {
    let bed = Testbed::new().unwrap();
    let mut server = redis::start(&bed).await.unwrap();
    assert_eq!(ask(server.address(), "SET kept yes\r\n").await.unwrap(), "+OK\r\n");
    kill_and_start_again(&bed, &mut server).await;
    assert_eq!(ask(server.address(), "GET kept\r\n").await.unwrap(), "$3\r\nyes\r\n");
    stop(&bed, server).await;
}

#[tokio::test]
async fn rabbitmq_keeps_its_data() {
    let bed = Testbed::new().unwrap();
    let mut server = rabbitmq::start(&bed).await.unwrap();
    let connection = Connection::connect(server.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare("kept".into(), QueueDeclareOptions::durable(), quorum).await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let published =
        channel.basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"yes", persistent);
    assert_eq!(published.await.unwrap().await.unwrap(), Confirmation::Ack(None));
    rabbitmq::registered(&server, "kept").await.unwrap();

    kill_and_start_again(&bed, &mut server).await;

    let connection = Connection::connect(server.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let got = channel.basic_get("kept".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(got.expect("a message").delivery.data, b"yes");
    stop(&bed, server).await;
}

#[tokio::test]
async fn secantusdb_keeps_its_data() {
    let bed = Testbed::new().unwrap();
    mongodb_keeps_its_data(&bed, secantusdb::start(&bed).await.unwrap()).await;
}

#[tokio::test]
async fn ferretdb_keeps_its_data() {
    let bed = Testbed::new().unwrap();
    mongodb_keeps_its_data(&bed, ferretdb::start(&bed).await.unwrap()).await;
}

async fn mongodb_keeps_its_data(bed: &Testbed, mut server: Server) {
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let documents = client.database("testbed").collection::<Document>("kept");
    documents.insert_one(doc! { "_id": 1, "kept": "yes" }).await.unwrap();
    kill_and_start_again(bed, &mut server).await;
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let documents = client.database("testbed").collection::<Document>("kept");
    let found = documents.find_one(doc! { "_id": 1 }).await.unwrap();
    assert_eq!(found, Some(doc! { "_id": 1, "kept": "yes" }));
    stop(bed, server).await;
}

#[tokio::test]
async fn consul_keeps_its_data() {
    let bed = Testbed::new().unwrap();
    let mut server = consul::start(&bed).await.unwrap();
    assert_eq!(http(server.address(), "PUT", "/v1/kv/kept", "yes").await.unwrap(), "true");
    let service = r#"{"Name":"auth","Port":1,"Check":{"TTL":"60s","Status":"passing"}}"#;
    http(server.address(), "PUT", "/v1/agent/service/register", service).await.unwrap();
    kill_and_start_again(&bed, &mut server).await;
    assert_eq!(http(server.address(), "GET", "/v1/kv/kept?raw", "").await.unwrap(), "yes");
    let services = http(server.address(), "GET", "/v1/agent/services", "").await.unwrap();
    assert!(services.contains(r#""Service":"auth""#), "{services}");
    stop(&bed, server).await;
}

#[tokio::test]
async fn toxiproxy_cuts_and_slows_the_way_to_a_server() {
    let bed = Testbed::new().unwrap();
    let server = redis::start(&bed).await.unwrap();
    let toxiproxy = toxiproxy::start(&bed).await.unwrap();
    let way = toxiproxy.proxy(server.address()).await.unwrap();
    assert_eq!(ask(way.address(), "PING\r\n").await.unwrap(), "+PONG\r\n");

    way.cut().await.unwrap();
    assert!(ask(way.address(), "PING\r\n").await.is_err());

    way.restore().await.unwrap();
    way.latency_ms(300).await.unwrap();
    let asked = tokio::time::Instant::now();
    assert_eq!(ask(way.address(), "PING\r\n").await.unwrap(), "+PONG\r\n");
    assert!(asked.elapsed() >= Duration::from_millis(300));

    way.restore().await.unwrap();
    let asked = tokio::time::Instant::now();
    assert_eq!(ask(way.address(), "PING\r\n").await.unwrap(), "+PONG\r\n");
    assert!(asked.elapsed() < Duration::from_millis(300));
}

#[tokio::test]
async fn nginx_comes_back_with_its_certificate() {
    let bed = Testbed::new().unwrap();
    let mut nginx = nginx::start(&bed, &[bed.free_address().unwrap()]).await.unwrap();
    assert!(nginx.certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{}", nginx.certificate);
    let page = http(nginx.server.address(), "GET", "/", "").await.unwrap();
    assert!(page.contains("308 Permanent Redirect"), "{page}");
    kill_and_start_again(&bed, &mut nginx.server).await;
    stop(&bed, nginx.server).await;
}

#[tokio::test]
async fn a_paused_server_says_nothing_until_it_is_resumed() {
    let bed = Testbed::new().unwrap();
    let server = ferretdb::start(&bed).await.unwrap();
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let documents = client.database("testbed").collection::<Document>("paused");
    documents.insert_one(doc! { "_id": 1 }).await.unwrap();

    server.pause().unwrap();
    let mut found = std::pin::pin!(documents.find_one(doc! { "_id": 1 }).into_future());
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut found).await.is_err());

    server.resume().unwrap();
    assert_eq!(found.await.unwrap(), Some(doc! { "_id": 1 }));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let bed = Testbed::new().unwrap();
    let mut server = redis::start(&bed).await.unwrap();
    server.stop().await.unwrap();
    let _taken = tokio::net::TcpListener::bind(server.address()).await.unwrap();
    let error = server.start_again().await.unwrap_err().to_string();
    assert!(error.contains("Address already in use"), "{error}");
    assert!(error.contains(server.log_path().to_str().unwrap()), "{error}");
}

#[test]
fn test_beds_side_by_side_share_no_address() {
    let beds = [Testbed::new().unwrap(), Testbed::new().unwrap()];
    let mut addresses: Vec<_> = (0..100).map(|turn| beds[turn % 2].free_address().unwrap()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 100);
}

/// Both ways back: after a kill, and after a kill of what a kill had left.
async fn kill_and_start_again(bed: &Testbed, server: &mut Server) {
    let before = server.pid().unwrap();
    for _ in 0..2 {
        server.kill().await.unwrap();
        assert!(server.pid().is_err());
        assert_eq!(processes_in(bed.folder()), Vec::<String>::new());
        server.start_again().await.unwrap();
    }
    assert_ne!(server.pid().unwrap(), before);
}

async fn stop(bed: &Testbed, mut server: Server) {
    server.stop().await.unwrap();
    assert_eq!(processes_in(bed.folder()), Vec::<String>::new());
}
