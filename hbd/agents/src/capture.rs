//! What a process writes: the beginning and the end are kept, the rest is counted.

use std::collections::VecDeque;

use crate::report::Text;

/// Bytes kept of the beginning, and as many of the end. Both streams together keep 64 KiB.
pub(crate) const KEPT: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Capture {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    pub(crate) fn text(mut self) -> Text {
        if self.left_out == 0 {
            self.head.extend(self.tail.drain(..));
        }
        let tail: Vec<u8> = self.tail.into();
        Text {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            tail: String::from_utf8_lossy(&tail).into_owned(),
            left_out: self.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_one_text() {
        let mut capture = Capture::default();
        let all = "x".repeat(2 * KEPT);
        capture.push(all.as_bytes());
        let text = capture.text();
        assert_eq!(
            (text.head, text.tail, text.left_out),
            (all, String::new(), 0)
        );
    }

    #[test]
    fn of_too_much_the_beginning_and_the_end_are_kept() {
        let mut capture = Capture::default();
        capture.push(b"begin");
        for _ in 0..100 {
            capture.push(&[b'x'; 1000]);
        }
        capture.push(b"end");
        let text = capture.text();
        assert!(text.head.starts_with("beginx") && text.tail.ends_with("xend"));
        assert_eq!((text.head.len(), text.tail.len()), (KEPT, KEPT));
        assert_eq!(text.left_out, 100_008 - 2 * KEPT as u64);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut capture = Capture::default();
        capture.push(b"a\xffb");
        assert_eq!(capture.text().head, "a\u{fffd}b");
    }
}
