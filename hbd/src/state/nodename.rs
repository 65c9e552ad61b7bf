//! The identity under `uuidfrom nodename`: computed from the name as Heartbeat 3.0.6 computes it,
//! so that one node of a pair may run the one while the other runs the other.
//!
//! The name is hashed, the hash seeds the C library's `rand(3)`, and 32 numbers modulo 16 are the
//! hexadecimal digits of the identity.

use shared::names::{NodeName, Uuid};

/// The identity of a node of that name.
pub(crate) fn uuid_of(name: &NodeName) -> Uuid {
    let mut numbers = Rand::new(hash(name.as_str()));
    Uuid(std::array::from_fn(|_| {
        let high = numbers.digit();
        high << 4 | numbers.digit()
    }))
}

/// Horner's scheme with 31 over the bytes as signed characters.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0, |hash: u32, byte| {
        let character = i32::from(byte.cast_signed()).cast_unsigned();
        hash.wrapping_mul(31).wrapping_add(character)
    })
}

/// `srand(3)` and `rand(3)` of the GNU C library: an additive generator with 31 words of state,
/// filled by a Lehmer generator; the first 310 numbers are thrown away (`random(3)`).
struct Rand {
    state: [u32; WORDS],
    place: usize,
}

const WORDS: usize = 31;
/// The generator adds the word of so many places before.
const LAG: usize = 3;
const THROWN_AWAY: usize = 310;
const LEHMER_FACTOR: i64 = 16_807;
const LEHMER_MODULUS: i64 = 0x7fff_ffff;

impl Rand {
    fn new(seed: u32) -> Self {
        let mut state = [0; WORDS];
        // A seed of zero would stay zero.
        let mut word = i64::from(seed.max(1).cast_signed());
        for place in &mut state {
            *place = (word as i32).cast_unsigned();
            word = word * LEHMER_FACTOR % LEHMER_MODULUS;
            if word < 0 {
                word += LEHMER_MODULUS;
            }
        }
        let mut rand = Self { state, place: LAG };
        for _ in 0..THROWN_AWAY {
            rand.next();
        }
        rand
    }

    fn next(&mut self) -> u32 {
        let before = (self.place + WORDS - LAG) % WORDS;
        let sum = self.state[self.place].wrapping_add(self.state[before]);
        self.state[self.place] = sum;
        self.place = (self.place + 1) % WORDS;
        sum >> 1
    }

    fn digit(&mut self) -> u8 {
        (self.next() % 16) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_those_that_heartbeat_3_0_6_announces() {
        for (name, uuid) in [
            ("a", "e44c7868-10c2-3db7-763c-3b17dc88f2ed"),
            ("bob", "802cf3cf-1976-6552-1106-e8c4a75062ee"),
            ("alice", "4d92ef93-86a6-39de-4440-963a4d87f4d4"),
        ] {
            let name = NodeName::new(name).unwrap();
            assert_eq!(uuid_of(&name).to_string(), uuid, "{name}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_c_library() {
        // What srand(1) and srand(4000000000) give on Debian 12.
        assert_eq!(Rand::new(1).next(), 1_804_289_383);
        assert_eq!(Rand::new(0).next(), 1_804_289_383);
        assert_eq!(Rand::new(4_000_000_000).next(), 1_111_130_805);
    }
}
