//! A document's JSON as natural BSON and back, losing nothing.
//!
//! Written by hand, since BSON's own conversion reads some JSON objects as values of other types
//! (`{"$oid": …}`), which a body that a user wrote must never become.

use std::fmt;

use mongodb::bson::{Bson, Document, doc};
use serde::{
    Serialize, Serializer,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
    ser::{Error as _, SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

/// The body as a BSON document; an error says what BSON cannot hold.
pub(super) fn to_document(body: &RawValue) -> Result<Document, String> {
    let mut json = serde_json::Deserializer::from_str(body.get());
    match ToBson.deserialize(&mut json).map_err(|error| error.to_string())? {
        Bson::Document(document) => Ok(document),
        _ => Err("a body is a JSON object".to_owned()),
    }
}

/// The body that became this document; an error says what cannot have been one.
pub(super) fn from_document(document: &Document) -> Result<Box<RawValue>, String> {
    serde_json::value::to_raw_value(&FromDocument(document)).map_err(|error| error.to_string())
}

/// An array in an array stands in a document with this field, which no escaped name is, since FerretDB knows no
/// nested arrays.
const NESTED: &str = "%";

/// A MongoDB-compatible server may refuse a field whose name begins with `$` or holds a dot.
fn escape(name: &str) -> String {
    if !name.contains(['%', '$', '.']) {
        return name.to_owned();
    }
    name.replace('%', "%25").replace('$', "%24").replace('.', "%2E")
}

fn unescape(name: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    name.replace("%2E", ".").replace("%24", "$").replace("%25", "%")
}

struct ToBson;

impl<'de> DeserializeSeed<'de> for ToBson {
    type Value = Bson;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bson, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ToBson {
    type Value = Bson;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Bson, E> {
        Ok(Bson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bson, E> {
        Ok(Bson::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bson, E> {
        Ok(Bson::Int64(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Bson, E> {
        let value = i64::try_from(value);
        value.map(Bson::Int64).map_err(|_| E::custom("BSON holds no integer beyond 2^63 - 1"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bson, E> {
        Ok(Bson::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Bson, E> {
        Ok(Bson::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Bson, E> {
        Ok(Bson::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bson, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(ToBson)? {
            let nested = matches!(item, Bson::Array(_));
            array.push(if nested { Bson::from(doc! { NESTED: item }) } else { item });
        }
        Ok(Bson::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Bson, A::Error> {
        let mut document = Document::new();
        while let Some(name) = fields.next_key::<String>()? {
            if document.insert(escape(&name), fields.next_value_seed(ToBson)?).is_some() {
                return Err(A::Error::custom(format!("the field {name} stands there twice")));
            }
        }
        Ok(Bson::Document(document))
    }
}

struct FromDocument<'a>(&'a Document);

impl Serialize for FromDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(&unescape(name), &FromBson(value))?;
        }
        map.end()
    }
}

struct FromBson<'a>(&'a Bson);

impl Serialize for FromBson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Bson::Null => serializer.serialize_unit(),
            Bson::Boolean(value) => serializer.serialize_bool(*value),
            Bson::Int32(value) => serializer.serialize_i32(*value),
            Bson::Int64(value) => serializer.serialize_i64(*value),
            Bson::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            Bson::String(value) => serializer.serialize_str(value),
            Bson::Document(document) => match document.get(NESTED) {
                Some(nested) => FromBson(nested).serialize(serializer),
                None => FromDocument(document).serialize(serializer),
            },
            Bson::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(&FromBson(item))?;
                }
                sequence.end()
            }
            other => Err(S::Error::custom(format!("{:?} is nothing that JSON has", other.element_type()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, doc};
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::{escape, from_document, to_document, unescape};

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    proptest! {
        #[test]
        fn every_name_survives(name in "[%$.245Ea]{0,8}") {
            prop_assert!(!escape(&name).contains(['$', '.']));
            prop_assert_eq!(unescape(&escape(&name)), name);
        }

        #[test]
        fn every_number_survives(integer in any::<i64>(), float in any::<f64>().prop_filter("JSON has no others", |float| float.is_finite())) {
            let json = serde_json::to_string(&serde_json::json!({ "i": integer, "f": float })).unwrap();
            let back: serde_json::Value = serde_json::from_str(from_document(&to_document(&raw(&json)).unwrap()).unwrap().get()).unwrap();
            prop_assert_eq!(back["i"].as_i64(), Some(integer));
            prop_assert_eq!(back["f"].as_f64().map(f64::to_bits), Some(float.to_bits()));
        }
    }

    #[test]
    fn what_bson_cannot_hold_is_refused_and_what_json_cannot_is_corrupt() {
        assert!(to_document(&raw(r#"{"x":9223372036854775808}"#)).is_err());
        assert!(to_document(&raw(r#"{"x":1,"x":2}"#)).is_err());
        assert!(from_document(&doc! { "x": DateTime::from_millis(0) }).is_err());
        assert!(from_document(&doc! { "x": f64::NAN }).is_err());
    }
}
