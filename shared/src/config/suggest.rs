//! "Did you mean": the nearest of a list of words.

/// The candidate that `word` most probably stands for: the same in another letter case, else the
/// nearest within a third of its length (at least one, at most three) in added, dropped, changed
/// or swapped characters.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lowered: Vec<char> = word
        .chars()
        .take(WORD_CHARS_MAX)
        .collect::<String>()
        .to_lowercase()
        .chars()
        .collect();
    let limit = (lowered.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&lowered, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Characters of a word that are compared.
const WORD_CHARS_MAX: usize = 64;

/// Edit distance where a swap of neighbours counts once (optimal string alignment).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().take(WORD_CHARS_MAX).collect();
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const WORDS: [&str; 4] = ["keepalive", "deadtime", "ucast", "mcast"];

    #[test]
    fn letter_case_swaps_and_missing_letters_are_found() {
        assert_eq!(nearest("Keepalive", WORDS), Some("keepalive"));
        assert_eq!(nearest("kepealive", WORDS), Some("keepalive"));
        assert_eq!(nearest("deadtme", WORDS), Some("deadtime"));
        assert_eq!(nearest("uast", WORDS), Some("ucast"));
    }

    #[test]
    fn a_word_far_from_all_has_no_suggestion() {
        assert_eq!(nearest("frobnicate", WORDS), None);
        assert_eq!(nearest("x", ["no"]), None);
    }
}
