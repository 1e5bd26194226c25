//! Access tokens of people who should not get in, each by its trick. For tests of whatever verifies.
//!
//! Sources: RFC 8725 (JWT best practices), RFC 7515 §10, OWASP JSON Web Token Cheat Sheet, and the published holes of JWT
//! libraries ("Critical vulnerabilities in JSON Web Token libraries", `McLean` 2015; "psychic signatures", CVE-2022-21449).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Value, json};
use tertulia_runtime::Ambient;

use super::{
    AUDIENCE, Claims, LEEWAY, MAX_TOKEN_BYTES, SEED_BYTES, SigningKey, TOKEN_TYPE,
    testkit::{Signer, TOKEN_LIFE},
};

/// So many tricks there are.
pub const HOSTILE_TOKENS: usize = 72;

/// The order of Ed25519's base point, little endian (RFC 8032 §5.1): added to a signature's second half, it makes
/// another that a careless verifier takes.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// What the tricks start from: a token that is good.
struct Forge<'a> {
    ambient: &'a Ambient,
    key: &'a SigningKey,
    /// A key that auth does not publish.
    foreign: SigningKey,
    header: Value,
    claims: Value,
}

/// A good token made part by part, as the hostile ones are: if it is refused, they may be for a wrong reason.
pub fn good_token(signer: &Signer, ambient: &Ambient) -> String {
    let forge = Forge::new(signer, ambient);
    forge.signed(&forge.header, &forge.claims)
}

/// The name of each trick, and a token that tries it. All of them can stand in a header.
pub fn hostile_tokens(signer: &Signer, ambient: &Ambient) -> Vec<(&'static str, String)> {
    let forge = Forge::new(signer, ambient);
    let tricks = [
        forge.algorithms(),
        forge.confusions(),
        forge.keys(),
        forge.headers(),
        forge.signatures(),
        forge.claims(),
        forge.forms(),
    ];
    tricks.concat()
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

impl<'a> Forge<'a> {
    fn new(signer: &'a Signer, ambient: &'a Ambient) -> Self {
        let mut seed = [0; SEED_BYTES];
        ambient.entropy.fill(&mut seed);
        let key = signer.key();
        let claims = Claims::new(ambient.ids.next(), ambient.ids.next(), false, ambient.now(), TOKEN_LIFE);
        Self {
            ambient,
            key,
            foreign: SigningKey::from_seed(&seed),
            header: json!({ "alg": "EdDSA", "typ": TOKEN_TYPE, "kid": key.public().kid }),
            claims: json!(claims),
        }
    }

    fn header_with(&self, member: &str, value: Value) -> Value {
        let mut header = self.header.clone();
        header[member] = value;
        header
    }

    fn without(object: &Value, member: &str) -> Value {
        let mut object = object.clone();
        object.as_object_mut().and_then(|members| members.remove(member));
        object
    }

    fn signed_by(key: &EncodingKey, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature =
            sign(message.as_bytes(), key, algorithm).expect("the key is of the algorithm's family");
        format!("{message}.{signature}")
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        Self::signed_by(&self.key.private, Algorithm::EdDSA, &encoded(header), &encoded(claims))
    }

    fn signed_with_header(&self, member: &str, value: Value) -> String {
        self.signed(&self.header_with(member, value), &self.claims)
    }

    fn good(&self) -> String {
        self.signed(&self.header, &self.claims)
    }

    fn unsigned(&self, header: &Value) -> String {
        format!("{}.{}", encoded(header), encoded(&self.claims))
    }

    /// Without a signature, or with one of another algorithm than the header says.
    fn algorithms(&self) -> Vec<(&'static str, String)> {
        let none = |alg: &str| format!("{}.", self.unsigned(&self.header_with("alg", json!(alg))));
        let named = |alg: Value| self.signed_with_header("alg", alg);
        vec![
            ("alg none", none("none")),
            ("alg None", none("None")),
            ("alg NONE", none("NONE")),
            ("alg nOnE", none("nOnE")),
            ("alg empty", none("")),
            ("alg none in two parts", self.unsigned(&self.header_with("alg", json!("none")))),
            ("alg none over a good signature", named(json!("none"))),
            ("alg missing", self.signed(&Self::without(&self.header, "alg"), &self.claims)),
            ("alg null", named(Value::Null)),
            ("alg a list", named(json!(["EdDSA"]))),
            ("alg in other letters", named(json!("eddsa"))),
            ("alg RS256", named(json!("RS256"))),
            ("alg PS256", named(json!("PS256"))),
            ("alg ES256", named(json!("ES256"))),
            ("alg ES384 with a blank signature", {
                let message = self.unsigned(&self.header_with("alg", json!("ES384")));
                format!("{message}.{}", BASE64.encode([0; 96]))
            }),
        ]
    }

    /// The public key, which everybody has, taken for an HMAC secret.
    fn confusions(&self) -> Vec<(&'static str, String)> {
        let public = self.key.public();
        let raw = BASE64.decode(&public.x).unwrap_or_default();
        let jwk = json!(public).to_string();
        let hmac = |name: &str, algorithm: Algorithm, secret: &[u8]| {
            let header = encoded(&self.header_with("alg", json!(name)));
            Self::signed_by(&EncodingKey::from_secret(secret), algorithm, &header, &encoded(&self.claims))
        };
        vec![
            ("HS256 by the public key", hmac("HS256", Algorithm::HS256, &raw)),
            ("HS384 by the public key", hmac("HS384", Algorithm::HS384, &raw)),
            ("HS512 by the public key", hmac("HS512", Algorithm::HS512, &raw)),
            ("HS256 by the public key's text", hmac("HS256", Algorithm::HS256, public.x.as_bytes())),
            ("HS256 by the published JWK", hmac("HS256", Algorithm::HS256, jwk.as_bytes())),
            ("HS256 by the kid", hmac("HS256", Algorithm::HS256, public.kid.as_bytes())),
            ("HS256 by nothing", hmac("HS256", Algorithm::HS256, b"\0")),
            ("HMAC called EdDSA", hmac("EdDSA", Algorithm::HS256, &raw)),
        ]
    }

    /// Keys that are not auth's, and names that are no key's.
    fn keys(&self) -> Vec<(&'static str, String)> {
        let kid = |kid: Value| self.signed_with_header("kid", kid);
        let foreign = |header: &Value| {
            let (header, claims) = (encoded(header), encoded(&self.claims));
            Self::signed_by(&self.foreign.private, Algorithm::EdDSA, &header, &claims)
        };
        let theirs = self.foreign.public();
        vec![
            ("kid missing", self.signed(&Self::without(&self.header, "kid"), &self.claims)),
            ("kid null", kid(Value::Null)),
            ("kid empty", kid(json!(""))),
            ("kid a number", kid(json!(0))),
            ("kid a path", kid(json!("../../../../dev/null"))),
            ("kid a query", kid(json!("' UNION SELECT 'key' --"))),
            ("kid a command", kid(json!("|/bin/true"))),
            ("kid a URL", kid(json!("https://evil.example/jwks.json"))),
            ("kid with a NUL behind it", kid(json!(format!("{}\0", self.key.public().kid)))),
            ("kid with a space behind it", kid(json!(format!("{} ", self.key.public().kid)))),
            ("kid long", kid(json!("k".repeat(1_000)))),
            ("a foreign key by its own name", foreign(&self.header_with("kid", json!(theirs.kid)))),
            ("a foreign key by auth's name", foreign(&self.header)),
            ("a foreign key that comes along", foreign(&self.header_with("jwk", json!(theirs)))),
            (
                "a foreign key to be fetched",
                foreign(&self.header_with("jku", json!("https://evil.example/jwks"))),
            ),
            (
                "a foreign certificate to be fetched",
                foreign(&self.header_with("x5u", json!("https://evil.example/c"))),
            ),
            ("a foreign certificate that comes along", foreign(&self.header_with("x5c", json!(["MIIB"])))),
        ]
    }

    /// Headers of other tokens, signed by auth's own key.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let critical = self.header_with("crit", json!(["b64"]));
        vec![
            ("an identity token", self.signed_with_header("typ", json!("JWT"))),
            ("a token of no type", self.signed(&Self::without(&self.header, "typ"), &self.claims)),
            ("a logout token", self.signed_with_header("typ", json!("logout+jwt"))),
            ("a proof of possession", self.signed_with_header("typ", json!("dpop+jwt"))),
            ("an extension that is critical", self.signed_with_header("crit", json!(["exp"]))),
            ("a payload that is not encoded", {
                let mut header = critical;
                header["b64"] = json!(false);
                self.signed(&header, &self.claims)
            }),
        ]
    }

    /// Signatures of something else, or not as they were made.
    fn signatures(&self) -> Vec<(&'static str, String)> {
        let good = self.good();
        let (message, signature) = good.rsplit_once('.').expect("a token has three parts");
        let bytes = BASE64.decode(signature).unwrap_or_default();
        let with = |bytes: &[u8]| format!("{message}.{}", BASE64.encode(bytes));
        let mut flipped = bytes.clone();
        flipped[0] ^= 1;
        let mut operator = self.claims.clone();
        operator["op"] = json!(true);
        let mut carry = 0;
        let second = bytes[32..].iter().zip(ORDER).map(|(byte, order)| {
            carry += u16::from(*byte) + u16::from(order);
            let [low, high] = carry.to_le_bytes();
            carry = u16::from(high);
            low
        });
        let malleable: Vec<u8> = bytes[..32].iter().copied().chain(second).collect();
        vec![
            ("the signature stripped", format!("{message}.")),
            ("the signature left out", message.to_owned()),
            (
                "the signature of other claims",
                format!("{}.{}.{signature}", encoded(&self.header), encoded(&operator)),
            ),
            ("a bit of the signature flipped", with(&flipped)),
            ("the signature cut", with(&bytes[..63])),
            ("the signature doubled", with(&[bytes.as_slice(), &bytes].concat())),
            ("the signature blank", with(&[0; 64])),
            ("the signature's other form", with(&malleable)),
            ("the signature padded", format!("{good}==")),
        ]
    }

    /// Claims that auth would never sign, signed by its key.
    fn claims(&self) -> Vec<(&'static str, String)> {
        let claiming = |claim: &str, value: Value| {
            let mut claims = self.claims.clone();
            claims[claim] = value;
            self.signed(&self.header, &claims)
        };
        let lacking = |claim: &str| self.signed(&self.header, &Self::without(&self.claims, claim));
        let now = self.ambient.now().as_millis() / 1000;
        let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(0);
        vec![
            ("another issuer", claiming("iss", json!("https://evil.example"))),
            ("no issuer", lacking("iss")),
            ("another audience", claiming("aud", json!("another"))),
            ("another audience besides", claiming("aud", json!(["another", AUDIENCE]))),
            ("no audience", lacking("aud")),
            ("expired", claiming("exp", json!(now - leeway))),
            ("without an end", lacking("exp")),
            ("an end that is no time", claiming("exp", json!("never"))),
            ("made in the future", claiming("iat", json!(now + leeway + 1))),
            ("made at no time", lacking("iat")),
            ("nobody's", lacking("sub")),
            ("a session's instead of a user's", claiming("sub", self.claims["sid"].clone())),
            ("of no login", lacking("sid")),
            ("an operator by a word", claiming("op", json!("true"))),
        ]
    }

    /// What has not the form.
    fn forms(&self) -> Vec<(&'static str, String)> {
        let good = self.good();
        vec![
            ("an encrypted token's form", format!("{good}.AA.AA")),
            ("too long", format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES))),
            ("three empty parts", "..".to_owned()),
        ]
    }
}
