//! The digests: `crc`, `md5`, `sha1`, `sha256`.
//!
//! `crc` has no key and only guards against accidents. The others are HMAC (RFC 2104) over the
//! key's text. A [`Key`] holds the two hash states that the key leads to, made once, and not the
//! text itself.

use core::fmt;
use core::hint::black_box;
use core::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;

use super::limits::DIGEST_HEX_MAX;
use serde::{Deserialize, Serialize};

/// How a digest is made. The words are those of authkeys(5) and hbd.keys(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// CRC-32, polynomial 0x04C11DB7, most significant bit first, start 0, complemented. No key.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256; Heartbeat 3.0.6 does not know it.
    Sha256,
}

impl Method {
    /// All of them, weakest first.
    pub const ALL: [Self; 4] = [Self::Crc, Self::Md5, Self::Sha1, Self::Sha256];

    /// The word in the key files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;
    fn from_str(word: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str() == word)
            .ok_or(UnknownMethod)
    }
}

/// A word is no digest method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMethod;

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest method is crc, md5, sha1 or sha256")
    }
}

impl core::error::Error for UnknownMethod {}

/// A key, ready to sign. Its `Debug` text shows the method only.
#[derive(Clone)]
pub struct Key(State);

#[derive(Clone)]
enum State {
    Crc,
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl Key {
    /// Prepares the key whose text is `secret`: the third word of its line. `crc` ignores it.
    pub fn new(method: Method, secret: &[u8]) -> Self {
        Self(match method {
            Method::Crc => State::Crc,
            Method::Md5 => State::Md5(keyed(secret)),
            Method::Sha1 => State::Sha1(keyed(secret)),
            Method::Sha256 => State::Sha256(keyed(secret)),
        })
    }

    /// How it signs.
    pub fn method(&self) -> Method {
        match self.0 {
            State::Crc => Method::Crc,
            State::Md5(_) => Method::Md5,
            State::Sha1(_) => Method::Sha1,
            State::Sha256(_) => Method::Sha256,
        }
    }

    /// The digest of the two parts, one after the other.
    pub(super) fn digest(&self, parts: [&[u8]; 2]) -> Digest {
        match &self.0 {
            State::Crc => crc(parts),
            State::Md5(state) => sign(state, parts),
            State::Sha1(state) => sign(state, parts),
            State::Sha256(state) => sign(state, parts),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.method())
    }
}

pub(super) fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC takes a key of any length")
}

fn sign<M: Mac + Clone>(state: &M, parts: [&[u8]; 2]) -> Digest {
    let mut mac = state.clone();
    for part in parts {
        mac.update(part);
    }
    Digest::of_bytes(&mac.finalize().into_bytes())
}

const CRC: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0xffff_ffff,
    check: 0x765e_7680,
    residue: 0,
});

fn crc(parts: [&[u8]; 2]) -> Digest {
    let mut sum = CRC.digest();
    for part in parts {
        sum.update(part);
    }
    Digest::of_text(super::number::Digits::hex(u64::from(sum.finalize())).as_bytes())
}

/// A digest as the wire shows it: lower-case hexadecimal, a `crc` without leading zeros.
pub(super) struct Digest {
    text: [u8; DIGEST_HEX_MAX],
    len: usize,
}

impl Digest {
    fn of_text(text: &[u8]) -> Self {
        let mut digest = Self {
            text: [0; DIGEST_HEX_MAX],
            len: text.len(),
        };
        digest.text[..text.len()].copy_from_slice(text);
        digest
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digest = Self {
            text: [0; DIGEST_HEX_MAX],
            len: bytes.len() * 2,
        };
        for (pair, byte) in digest.text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digest
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// Compares in a time that depends on the length only, so that an answer's delay does not tell
    /// how much of a guessed digest was right.
    pub(super) fn matches(&self, claimed: &[u8]) -> bool {
        let difference = self
            .as_bytes()
            .iter()
            .zip(claimed)
            .fold(0, |sum, (ours, theirs)| black_box(sum | (ours ^ theirs)));
        self.len == claimed.len() && difference == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(method: Method, secret: &str, data: &str) -> alloc::string::String {
        let digest = Key::new(method, secret.as_bytes()).digest([data.as_bytes(), b""]);
        alloc::string::String::from_utf8(digest.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn hmac_digests_are_those_of_rfc_2202_and_rfc_4231() {
        let data = "what do ya want for nothing?";
        assert_eq!(
            hex(Method::Md5, "Jefe", data),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        assert_eq!(
            hex(Method::Sha1, "Jefe", data),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex(Method::Sha256, "Jefe", data),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_crc_is_printed_without_leading_zeros() {
        assert_eq!(hex(Method::Crc, "", ""), "ffffffff");
        assert_eq!(hex(Method::Crc, "ignored", "123456789"), "765e7680");
        assert_eq!(hex(Method::Crc, "", "\u{0}"), "ffffffff");
        let short = (0..4000)
            .map(|n| hex(Method::Crc, "", &alloc::format!("{n}")))
            .find(|text| text.len() < 8)
            .expect("one in sixteen is short");
        assert!(!short.starts_with('0'));
    }

    #[test]
    fn two_parts_are_one_text() {
        let key = Key::new(Method::Sha1, b"k");
        assert_eq!(
            key.digest([b"ab", b"c"]).as_bytes(),
            key.digest([b"", b"abc"]).as_bytes()
        );
    }

    #[test]
    fn a_digest_matches_itself_only() {
        let digest = Key::new(Method::Sha1, b"k").digest([b"data", b""]);
        let text = digest.as_bytes().to_vec();
        assert!(digest.matches(&text));
        assert!(!digest.matches(&text[1..]));
        assert!(!digest.matches(&text[..39]));
        assert!(!digest.matches(b""));
        let mut other = text.clone();
        other[39] ^= 1;
        assert!(!digest.matches(&other));
    }

    #[test]
    fn the_debug_text_of_a_key_does_not_show_it() {
        let key = Key::new(Method::Md5, b"geheim");
        assert_eq!(alloc::format!("{key:?}"), "Key(md5)");
    }

    #[test]
    fn each_method_is_found_by_its_word() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        assert_eq!("sha512".parse::<Method>(), Err(UnknownMethod));
    }
}
