//! A hash that every node and every release agrees on, which the standard library's hashers do not promise.

/// FNV-1a, 64 bits (Fowler, Noll and Vo; <https://www.rfc-editor.org/rfc/rfc9923>). Quick and fixed for ever; whoever
/// chooses the bytes can find others with the same hash, so nothing may be gained by that.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    const OFFSET_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01B3;
    bytes.into_iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn it_is_the_published_function() {
        // Test vectors of the authors, <http://www.isthe.com/chongo/src/fnv/test_fnv.c>.
        let vectors =
            [("", 0xCBF2_9CE4_8422_2325), ("a", 0xAF63_DC4C_8601_EC8C), ("foobar", 0x8594_4171_F739_67E8)];
        for (text, hash) in vectors {
            assert_eq!(fnv1a(text.bytes()), hash, "{text:?}");
        }
    }
}
