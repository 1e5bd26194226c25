//! Which instance is asked. Pure functions over what is known of the instances.

use tertulia_discovery::Instance;
use tertulia_runtime::hash::fnv1a;

/// The instance that a key belongs to: highest random weight (Thaler and Ravishankar 1998). Every node picks
/// the same one, and an instance that goes takes only its own keys along.
pub(crate) fn rendezvous<'a>(key: &str, candidates: &[&'a Instance]) -> Option<&'a Instance> {
    candidates.iter().copied().max_by_key(|instance| (weight(key, &instance.id), &instance.id))
}

/// The less busy of two different instances drawn by `random` (Mitzenmacher 2001).
pub(crate) fn two_choices<'a>(
    random: [u32; 2],
    candidates: &[&'a Instance],
    in_flight: impl Fn(&Instance) -> usize,
) -> Option<&'a Instance> {
    let count = candidates.len();
    if count < 2 {
        return candidates.first().copied();
    }
    let [first, offset] = random.map(|number| number as usize);
    let first = first % count;
    let second = (first + 1 + offset % (count - 1)) % count;
    [candidates[first], candidates[second]].into_iter().min_by_key(|instance| in_flight(instance))
}

/// The same on every node and in every version of the program. With the finaliser of `SplitMix64`, since FNV alone
/// hardly mixes its last bytes.
fn weight(key: &str, id: &str) -> u64 {
    let hash = fnv1a(key.bytes().chain([0xFF]).chain(id.bytes()));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 10_000;

    fn instances(count: usize) -> Vec<Instance> {
        let instance = |n| Instance {
            role: "messaging".to_owned(),
            id: format!("messaging-{n}"),
            address: ([127, 0, 0, 1], 9000).into(),
        };
        (0..count).map(instance).collect()
    }

    fn homes(candidates: &[&Instance]) -> Vec<String> {
        (0..KEYS).map(|key| rendezvous(&format!("cnv_{key}"), candidates).unwrap().id.clone()).collect()
    }

    #[test]
    fn an_instance_that_goes_takes_only_its_own_keys_along() {
        let all = instances(5);
        let all: Vec<_> = all.iter().collect();
        let before = homes(&all);
        let after = homes(&all[..4]);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        let of_the_gone = before.iter().filter(|id| **id == all[4].id).count();
        assert_eq!(moved, of_the_gone);
        assert!((KEYS / 6..KEYS / 4).contains(&moved), "{moved} of {KEYS} keys were on one of five");
    }

    #[test]
    fn the_order_of_the_instances_does_not_matter() {
        let all = instances(5);
        let forward: Vec<_> = all.iter().collect();
        let backward: Vec<_> = all.iter().rev().collect();
        assert_eq!(homes(&forward), homes(&backward));
    }

    #[test]
    fn of_two_different_instances_the_less_busy_is_taken() {
        let all = instances(2);
        let all: Vec<_> = all.iter().collect();
        for random in [[0, 0], [1, 0], [0, 1], [u32::MAX, u32::MAX], [123_456_789, 987_654_321]] {
            let chosen = two_choices(random, &all, |instance| usize::from(*instance == *all[0])).unwrap();
            assert_eq!(chosen, all[1]);
        }
        assert_eq!(two_choices([7, 7], &all[..1], |_| 9), Some(all[0]));
        assert_eq!(two_choices([7, 7], &[], |_| 9), None);
    }
}
