//! The mark by which publishers title a paper that they have taken back.

/// What publishers write before the title of a paper that they have retracted. In capitals or in brackets: `Retracted:`
/// is how some of them begin the title of the notice.
const MARKS: [&str; 10] = [
    "RETRACTED:",
    "RETRACTED ARTICLE:",
    "RETRACTED PAPER:",
    "RETRACTED CHAPTER:",
    "RETRACTED ARTICLE.",
    "[RETRACTED]",
    "[Retracted]",
    "WITHDRAWN:",
    "WITHDRAWN ARTICLE:",
    "REMOVED:",
];

/// Whether a title bears such a mark, and the title without it.
pub(crate) fn without_mark(title: &str) -> (bool, &str) {
    let rest = MARKS.iter().find_map(|mark| title.strip_prefix(mark)).map(str::trim).filter(|rest| !rest.is_empty());
    (rest.is_some(), rest.unwrap_or(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_in_capitals_or_brackets_is_taken_off_and_the_title_of_a_notice_stays() {
        for (title, read) in [
            ("RETRACTED: On Things", (true, "On Things")),
            ("RETRACTED ARTICLE: On Things", (true, "On Things")),
            ("[Retracted] On Things", (true, "On Things")),
            ("Retracted: On Things", (false, "Retracted: On Things")),
            ("RETRACTED:", (false, "RETRACTED:")),
            ("Why papers are RETRACTED: a study", (false, "Why papers are RETRACTED: a study")),
        ] {
            assert_eq!(without_mark(title), read);
        }
    }
}
