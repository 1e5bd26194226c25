//! Authenticator data (§6.1), and the CBOR around them.

use ciborium::Value;

use super::Refused;

pub(super) const USER_PRESENT: u8 = 1;
pub(super) const USER_VERIFIED: u8 = 1 << 2;
pub(super) const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub(super) const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;
const AAGUID_BYTES: usize = 16;

/// What an authenticator says of itself and of who uses it.
pub(super) struct AuthenticatorData {
    pub(super) rp_id_hash: [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    pub(super) credential: Option<AttestedCredential>,
}

/// A credential that was just made (§6.5.1).
pub(super) struct AttestedCredential {
    pub(super) id: Vec<u8>,
    /// A COSE key.
    pub(super) key: Value,
}

/// The authenticator data in an attestation object (§6.5.4).
pub(super) fn of_attestation(mut object: &[u8]) -> Result<Vec<u8>, Refused> {
    let wrong = Refused("the attestation object is not CBOR of its form");
    let object: Value = ciborium::from_reader(&mut object).map_err(|_| wrong)?;
    let data = member(&object, &Value::from("authData")).and_then(Value::as_bytes);
    data.cloned().ok_or(wrong)
}

/// What a CBOR map holds by this name.
pub(super) fn member<'a>(map: &'a Value, name: &Value) -> Option<&'a Value> {
    map.as_map()?.iter().find_map(|(key, value)| (key == name).then_some(value))
}

impl AuthenticatorData {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let short = Refused("the authenticator data are cut off");
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(short)?;
        let (&flags, rest) = rest.split_first().ok_or(short)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let has = |flag: u8| flags & flag != 0;
        let credential = has(HAS_CREDENTIAL).then(|| AttestedCredential::read(&mut rest)).transpose()?;
        if has(HAS_EXTENSIONS) {
            // None was asked for, and what comes unasked is not looked at; but it must end where it says.
            value(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(Refused("the authenticator data go on past their end"));
        }
        Ok(Self { rp_id_hash: *rp_id_hash, flags, counter: u32::from_be_bytes(*counter), credential })
    }

    /// Whether it says this.
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl AttestedCredential {
    fn read(rest: &mut &[u8]) -> Result<Self, Refused> {
        let short = Refused("the credential is cut off");
        let (_aaguid, after) = rest.split_first_chunk::<AAGUID_BYTES>().ok_or(short)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or(short)?;
        let (id, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(short)?;
        *rest = after;
        Ok(Self { id: id.to_vec(), key: value(rest)? })
    }
}

/// The next value of a sequence.
fn value(rest: &mut &[u8]) -> Result<Value, Refused> {
    ciborium::from_reader(rest).map_err(|_| Refused("the authenticator data hold what is not CBOR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> &'static str {
        AuthenticatorData::read(bytes).err().map_or("accepted", |refused| refused.0)
    }

    #[test]
    fn data_are_read_as_they_are_laid_out_and_to_their_end() {
        let mut bytes = vec![7; 32];
        bytes.extend([USER_PRESENT | USER_VERIFIED, 0, 0, 1, 2]);
        let data = AuthenticatorData::read(&bytes).ok().unwrap();
        assert_eq!((data.counter, data.has(USER_PRESENT), data.has(USER_VERIFIED)), (258, true, true));
        assert!(!data.has(BACKED_UP) && !data.has(BACKUP_ELIGIBLE) && data.credential.is_none());
        for end in 0..bytes.len() {
            assert_eq!(refused(&bytes[..end]), "the authenticator data are cut off", "{end}");
        }
        bytes.push(0);
        assert_eq!(refused(&bytes), "the authenticator data go on past their end");
        bytes[32] |= HAS_EXTENSIONS;
        assert_eq!(refused(&bytes), "accepted");
    }

    #[test]
    fn a_credential_is_read_and_what_is_cut_off_is_not() {
        let mut bytes = vec![7; 32];
        bytes.extend([HAS_CREDENTIAL, 0, 0, 0, 0]);
        bytes.extend([0; AAGUID_BYTES]);
        bytes.extend([0, 3, b'a', b'b', b'c', 0xa1, 1, 2]);
        let credential = AuthenticatorData::read(&bytes).ok().unwrap().credential.unwrap();
        assert_eq!(credential.id, b"abc");
        assert_eq!(member(&credential.key, &Value::from(1)), Some(&Value::from(2)));
        for end in 37..bytes.len() {
            assert_ne!(refused(&bytes[..end]), "accepted", "{end}");
        }
    }
}
