//! Numbers in text, without allocation. Parsing is strict: digits and nothing else.

/// Most hexadecimal digits of a `u64`.
const HEX_DIGITS_MAX: usize = 16;
/// Most decimal digits of a `u64`.
const DECIMAL_DIGITS_MAX: usize = 20;

/// The digits of a number, as text on the stack.
pub(super) struct Digits {
    bytes: [u8; DECIMAL_DIGITS_MAX],
    start: usize,
}

impl Digits {
    /// Lower-case hexadecimal, no leading zeros.
    pub(super) fn hex(number: u64) -> Self {
        Self::in_base(number, 16)
    }

    /// Decimal, no leading zeros.
    pub(super) fn decimal(number: u64) -> Self {
        Self::in_base(number, 10)
    }

    fn in_base(mut number: u64, base: u64) -> Self {
        let mut digits = Self {
            bytes: [b'0'; DECIMAL_DIGITS_MAX],
            start: DECIMAL_DIGITS_MAX,
        };
        loop {
            digits.start -= 1;
            digits.bytes[digits.start] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
            if number == 0 {
                return digits;
            }
        }
    }

    /// The text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Hexadecimal of 1 to 16 digits in either case.
pub(super) fn parse_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > HEX_DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

/// Decimal that fits a `u64`.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_text() {
        for number in [0, 1, 9, 10, 255, 0x6b02_9977, u64::MAX] {
            assert_eq!(parse_hex(Digits::hex(number).as_bytes()), Some(number));
            assert_eq!(
                parse_decimal(Digits::decimal(number).as_bytes()),
                Some(number)
            );
        }
        assert_eq!(Digits::hex(0x1f40).as_bytes(), b"1f40");
        assert_eq!(Digits::decimal(0).as_bytes(), b"0");
    }

    #[test]
    fn anything_but_digits_is_no_number() {
        for text in ["", " 1", "1 ", "+1", "-1", "0x1", "1g", "fffffffffffffffff"] {
            assert_eq!(parse_hex(text.as_bytes()), None, "{text:?}");
        }
        for text in ["", "a", "1 ", "-1", "18446744073709551616"] {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text:?}");
        }
    }
}
