//! A device of ours that says whatever a test wants it to. What others' devices say is read in the model's own tests.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use ciborium::Value as Cbor;
use serde_json::{Value, json};

use crate::app::PUBLIC_URL;

/// What a forger says. As it begins, all of it is right.
pub(super) struct Forger {
    pub(super) key: Ed25519KeyPair,
    pub(super) id: Vec<u8>,
    pub(super) user_handle: Vec<u8>,
    /// Laid over the client data.
    pub(super) client: Value,
    pub(super) rp_id: &'static str,
    pub(super) flags: u8,
    pub(super) counter: u32,
    /// Laid behind the authenticator data.
    pub(super) trailing: Vec<u8>,
    /// In the place of the key's own algorithm (COSE).
    pub(super) algorithm: i64,
    /// Signs something else.
    pub(super) signs_falsely: bool,
}

pub(super) const PRESENT: u8 = 1;
pub(super) const VERIFIED: u8 = 4;
pub(super) const BACKED_UP: u8 = 16;
const HAS_CREDENTIAL: u8 = 64;

impl Forger {
    pub(super) fn new() -> Self {
        Self {
            key: Ed25519KeyPair::generate().unwrap(),
            id: b"a credential".to_vec(),
            user_handle: Vec::new(),
            client: json!({}),
            rp_id: "chat.example",
            flags: PRESENT | VERIFIED,
            counter: 0,
            trailing: Vec::new(),
            algorithm: -8,
            signs_falsely: false,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let mut data = json!({"type": kind, "challenge": options["challenge"], "origin": PUBLIC_URL});
        for (name, value) in self.client.as_object().unwrap() {
            data[name] = value.clone();
        }
        data.to_string()
    }

    fn authenticator_data(&self, flags: u8, credential: &[u8]) -> Vec<u8> {
        let hash = digest(&SHA256, self.rp_id.as_bytes());
        [hash.as_ref(), &[flags], &self.counter.to_be_bytes(), credential, &self.trailing].concat()
    }

    pub(super) fn create(&self, options: &Value) -> Value {
        let number = |number: i64| Cbor::from(number);
        let key = Cbor::Map(vec![
            (number(1), number(1)),
            (number(3), number(self.algorithm)),
            (number(-1), number(6)),
            (number(-2), Cbor::Bytes(self.key.public_key().as_ref().to_vec())),
        ]);
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let credential = [&[0; 16][..], &length, &self.id, &encoded(&key)].concat();
        let data = self.authenticator_data(self.flags | HAS_CREDENTIAL, &credential);
        let object = Cbor::Map(vec![
            (Cbor::from("fmt"), Cbor::from("none")),
            (Cbor::from("attStmt"), Cbor::Map(Vec::new())),
            (Cbor::from("authData"), Cbor::Bytes(data)),
        ]);
        let client = self.client_data("webauthn.create", options);
        json!({"id": BASE64URL.encode(&self.id), "type": "public-key", "response": {
            "clientDataJSON": BASE64URL.encode(client), "attestationObject": BASE64URL.encode(encoded(&object)),
        }})
    }

    pub(super) fn get(&self, options: &Value) -> Value {
        let client = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(self.flags, &[]);
        let hash = digest(&SHA256, client.as_bytes());
        let mut signed = [data.as_slice(), hash.as_ref()].concat();
        if self.signs_falsely {
            signed[40] ^= 1;
        }
        json!({"id": BASE64URL.encode(&self.id), "type": "public-key", "response": {
            "clientDataJSON": BASE64URL.encode(client), "authenticatorData": BASE64URL.encode(data),
            "signature": BASE64URL.encode(self.key.sign(&signed)), "userHandle": BASE64URL.encode(&self.user_handle),
        }})
    }
}

fn encoded(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
