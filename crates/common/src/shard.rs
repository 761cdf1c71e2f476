//! Which shard a code belongs to: the rule of Kafka's default partitioner, so that any client's keyed message lands right.

/// Number of a Kafka partition, and of the Redis keys that go with it: 0 to one less than the number of shards.
pub type Shard = u32;

/// The shard of a code, where there are `shards` of them (at least 1).
pub fn shard_of(code: &str, shards: u32) -> Shard {
    (murmur2(code.as_bytes()) & 0x7fff_ffff) % shards
}

/// Murmur2 as Kafka's Java client has it (`org.apache.kafka.common.utils.Utils.murmur2`), seed and all.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Kafka's length is a 32-bit integer as well, and a message is far below 4 GiB.
    let mut h = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| (tail << 8) | u32::from(byte));
        h = (h ^ tail).wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::{murmur2, shard_of};

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_kafkas() {
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn every_code_has_a_shard_below_their_number() {
        for shards in [1, 3, 8] {
            assert!(["BGR", "FRA", "DEU", ""].iter().all(|code| shard_of(code, shards) < shards));
        }
    }
}
