//! Whether the authors, or arXiv, say that a paper is taken back.
//!
//! arXiv has no field for it: a withdrawn paper stays, with a comment or an abstract that says so in free
//! words. What is looked for is a sentence of which the whole paper is the subject (`this paper has been
//! withdrawn`, `Withdrawn by the author`, `we have withdrawn this manuscript`), not any mention: a section, an
//! older version, another paper or a drug can be withdrawn too.

/// Words for a paper as a whole.
const WHOLE: &str = "paper article manuscript submission preprint e-print eprint report work note letter draft document \
                     thesis study version";

/// Words for what is less than, or other than, this paper as it stands.
const PARTIAL: &str = "previous earlier older old former latter above first second original versions another other part \
                       parts section sections claim claims proof conjecture theorem lemma result results appendix \
                       statement argument figure table tables v1 v2";

const ADVERBS: &str = "temporarily now hereby voluntarily subsequently therefore thus also permanently currently \
                       officially since administratively considered";

/// What may follow a bare `withdrawn`; a noun may not, as in `withdrawn drugs`.
const FOLLOWING: &str =
    ", by due because since as for to in pending until after owing at and see from following awaiting";

const THESE: &str = "this the our my present current";

/// How far the verb may stand from its subject, in words.
const REACH: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Written about the paper, so `it` and `this` are the paper.
    Comment,
    /// Written about anything.
    Abstract,
}

fn among(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

/// Whether either text says that the paper is withdrawn.
pub(crate) fn says_so(comment: Option<&str>, abstract_text: Option<&str>) -> bool {
    let says = |text: &str, place| has_a_word(text) && any_clause_says(text, place);
    comment.is_some_and(|text| says(text, Place::Comment))
        || abstract_text.is_some_and(|text| says(text, Place::Abstract))
}

/// Whether one of the words that are looked for stands in the text at all. Hardly any abstract has one, and reading all
/// clauses of all abstracts takes longer than everything else of a feed.
fn has_a_word(text: &str) -> bool {
    // By the rarest letter of each beginning, of which all words have one.
    holds(text.as_bytes(), b"withdraw", (b'w', 0)) || holds(text.as_bytes(), b"retract", (b'c', 5))
}

fn holds(text: &[u8], beginning: &[u8], (letter, place): (u8, usize)) -> bool {
    memchr::memchr2_iter(letter, letter.to_ascii_uppercase(), text).any(|at| {
        let word = at.checked_sub(place).and_then(|from| text.get(from..from + beginning.len()));
        word.is_some_and(|word| word.eq_ignore_ascii_case(beginning))
    })
}

fn any_clause_says(text: &str, place: Place) -> bool {
    clauses(text).iter().any(|clause| says(clause, place))
}

fn says(clause: &[String], place: Place) -> bool {
    let words: Vec<&str> = clause.iter().map(String::as_str).collect();
    (0..words.len()).any(|at| {
        let (before, rest) = words.split_at(at);
        match rest {
            ["withdrawn" | "retracted", after @ ..] => not_elsewhere(after) && told(before, after, place),
            ["withdraw" | "withdrawing" | "retract" | "retracting", after @ ..] => {
                let meant = names_own(after) || matches!(after, ["the", noun, ..] if among(WHOLE, noun));
                let here = (0..5).all(|at| after.get(at..).is_none_or(not_elsewhere));
                place == Place::Comment && meant && here && !before.iter().rev().take(2).any(|word| *word == "not")
            }
            ["withdrawal", ..] => matches!(before, ["paper"] | [.., "reason" | "reasons", "for"]) && before.len() <= 3,
            _ => false,
        }
    })
}

/// `withdrawn from the market`, `from the conference` is none from arXiv.
fn not_elsewhere(after: &[&str]) -> bool {
    match after {
        ["from", place @ ..] => place.iter().take(3).any(|word| word.contains("arxiv")),
        _ => true,
    }
}

fn told(before: &[&str], after: &[&str], place: Place) -> bool {
    let before = without_adverbs(before);
    if opens(before) {
        return after.first().is_none_or(|next| among(FOLLOWING, next));
    }
    if let [.., "have" | "has"] = before {
        return names_own(after) || (place == Place::Comment && names_whole(after));
    }
    without_auxiliary(before).is_some_and(|subject| is_whole(without_adverbs(subject), place))
}

/// Nothing before the word, or only what it is that is withdrawn: `Paper withdrawn`, `Admin note: withdrawn`.
fn opens(before: &[&str]) -> bool {
    match before {
        [] | [","] => true,
        [noun] => among(WHOLE, noun) || *noun == "update",
        [_, noun] => among(WHOLE, noun) && before.first().is_some_and(|first| among(THESE, first)),
        _ => false,
    }
}

fn without_adverbs<'a, 'b>(mut words: &'b [&'a str]) -> &'b [&'a str] {
    while let [rest @ .., last] = words
        && among(ADVERBS, last)
    {
        words = rest;
    }
    words
}

/// What stands before `has been`, `is`, `was being`, `should be`, `needs to be`.
fn without_auxiliary<'a, 'b>(words: &'b [&'a str]) -> Option<&'b [&'a str]> {
    match words {
        [rest @ .., "been" | "bee" | "being" | "be"] => match without_adverbs(rest) {
            [rest @ .., "needs" | "has" | "have", "to"] => Some(rest),
            [rest @ .., "has" | "have" | "had" | "is" | "was" | "are" | "should" | "must" | "will"] => Some(rest),
            _ => None,
        },
        [rest @ .., "is" | "was" | "are" | "were"] => Some(rest),
        _ => None,
    }
}

/// Whether the subject that ends here is the paper as a whole.
fn is_whole(subject: &[&str], place: Place) -> bool {
    let (Some(last), near) = (subject.last(), subject.len().saturating_sub(REACH)) else { return false };
    if matches!(*last, "that" | "which" | "when" | "if" | "not") {
        return false;
    }
    if place == Place::Comment && matches!(*last, "it" | "this") {
        return true;
    }
    let nouns = (near..subject.len()).rev().filter(|at| subject.get(*at).is_some_and(|word| among(WHOLE, word)));
    nouns.into_iter().any(|noun| {
        let (before, after) = subject.split_at(noun);
        !after.iter().any(|word| among(PARTIAL, word)) && is_this(before, after.len() == subject.len(), place)
    })
}

/// Whether what stands before the noun points at this paper, and not at a part or another version of it.
fn is_this(before: &[&str], bare: bool, place: Place) -> bool {
    if bare {
        return true;
    }
    let near = before.get(before.len().saturating_sub(4)..).unwrap_or(before);
    let Some(pointer) = near.iter().rposition(|word| among(THESE, word)) else { return false };
    let (outer, inner) = near.split_at(pointer);
    if has_partial(inner) {
        return false;
    }
    match outer.last() {
        // `this version of the paper` is the whole, `the tables of the paper` are not.
        Some(&"of") => outer.iter().any(|word| among(WHOLE, word)) && !has_partial(before),
        // `in this paper the needle is withdrawn`: the paper is not the subject.
        Some(&("in" | "from" | "for" | "on" | "with" | "to" | "by")) => false,
        // In an abstract `the paper` may be any; at the beginning of a sentence it is this one.
        outer => place == Place::Comment || outer.is_none() || inner.first() == Some(&"this"),
    }
}

fn has_partial(words: &[&str]) -> bool {
    words.iter().any(|word| among(PARTIAL, word))
}

/// `this manuscript`, `my paper`: what follows the verb is the author's own.
fn names_own(after: &[&str]) -> bool {
    matches!(after, ["this" | "our" | "my", ..]) && names_whole(after)
}

fn names_whole(after: &[&str]) -> bool {
    let near = after.get(..after.len().min(4)).unwrap_or(after);
    let pointed = near.first().is_some_and(|word| among(THESE, word));
    pointed && near.iter().any(|word| among(WHOLE, word)) && !has_partial(near)
}

/// The words of each clause in lower case, commas among them.
fn clauses(text: &str) -> Vec<Vec<String>> {
    let mut clauses = vec![Vec::new()];
    for chunk in text.split_whitespace() {
        let ends = chunk.trim_end_matches([')', ']', '"', '*']).ends_with(['.', ';', ':', '!', '?']);
        let comma = chunk.ends_with(',');
        // `(Withdrawn) The title and so on`: a remark before the text.
        let remark = clauses.len() == 1 && clauses.iter().all(Vec::is_empty) && chunk.starts_with(['(', '[']);
        let ends = ends || (remark && chunk.ends_with([')', ']']));
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '\'' | '.' | '/' | '_');
        let words = chunk.split(|c: char| !inside(c)).map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        if let Some(clause) = clauses.last_mut() {
            clause.extend(words);
            if comma {
                clause.push(",".to_owned());
            }
        }
        if ends {
            clauses.push(Vec::new());
        }
    }
    clauses
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Place, any_clause_says, says_so};

    #[test]
    fn a_comment_that_takes_the_paper_back_is_understood() {
        for comment in [
            "Withdrawn",
            "withdrawn by the author",
            "This paper has been withdrawn by the authors due to a crucial sign error in equation 5",
            "12 pages, 5 figures; This submission has been withdrawn by the authors.",
            "1 postscript figure, uses revtex.sty This paper has been withdrawn, as further work has shown",
            "Paper withdrawn since the official journal paper is now available",
            "arXiv admin note: submission has been withdrawn by arXiv administrators due to inappropriate text reuse",
            "Admin note: withdrawn by arXiv admin because of the use of a pseudonym",
            "The paper in its present form has been withdrawn",
            "This 2005 report has been withdrawn by the author as requested by the publisher",
            "Paper has been temporarily withdrawn due to developments in theory",
            "The authors have withdrawn this manuscript because the mode has been found",
            "another version is updated so this is withdrawn",
            "For this reason, it has been withdrawn by the authors",
            "This paper has been withdrawn from arXiv, since we have re-considered the problem",
            "the paper needs to be withdrawn because of copyright conflicts",
            "this version of the paper is withdrawn by the authors",
            "25 pages; withdrawn due to some errors",
            "Retracted due to an error in the construction",
            "38 pages, LaTeX. I have to retract my manuscript: There is a serious error",
            "we want to withdraw this paper from the arXiv because of the following",
            "Paper withdrawal",
            "We withdraw the paper temporarily because of a mistake",
            "it should be considered withdrawn",
        ] {
            assert!(says_so(Some(comment), None), "{comment}");
        }
    }

    #[test]
    fn a_comment_on_something_else_that_is_withdrawn_is_not_taken_for_it() {
        for comment in [
            "26 pages, 1 figure. A part on SPA conjecture is withdrawn",
            "20 pages. Version 2: Section 6 withdrawn",
            "This submission substitutes paper quant-ph/0212148 that was withdrawn. Version accepted for publication",
            "The tables in the previous withdrawn version (v2) have been corrected",
            "Versions 1 and 2 of the study have been retracted due to the use of a database",
            "Corrected version of a withdrawn submission; This Note replaces a former note",
            "the gap is filled, and we withdraw that claim. All other results are still valid",
            "that theorem has now been retracted by its authors",
            "so this paper is being unwithdrawn. The new version is almost the same as v1",
            "This paper was withdrawn from consideration at ICML to add experiments",
            "The two parts of this paper have been re-combined so part II has been withdrawn",
            "Errors corrected, section 4.1 withdrawn and title changed",
            "We do not withdraw this paper",
            "This version joins two papers (arXiv:0903.0760). The latter paper has been withdrawn",
            "Considering the similarities we have decided to retract our paper from CoRL 2017",
            "We have asked arXiv to withdraw the unfinished paper [arXiv:1311.4043]",
            "12 pages",
        ] {
            assert!(!says_so(Some(comment), None), "{comment}");
        }
    }

    #[test]
    fn an_abstract_that_takes_the_paper_back_is_understood() {
        for text in [
            "Withdrawn",
            "(Withdrawn) Collaborative security initiatives are advocated",
            "This paper is withdrawn. The revised paper appears in chao-dyn/9904020",
            "unpublished; this paper has been withdrawn.",
            "The paper has been withdrawn by the author because of copyright reasons.",
            "The predictions agree with analytical results in simple geometries. Paper withdrawn.",
            "We prove it. UPDATE: Manuscript withdrawn, because results are incorrect.",
            "Withdrawn due to a likely error with the homeomorphism",
            "For this reason I have withdrawn this article.",
            "Reason for withdrawal: There is a serious mistake",
        ] {
            assert!(says_so(None, Some(text)), "{text}");
        }
    }

    #[test]
    fn an_abstract_about_withdrawing_is_not_taken_for_it() {
        for text in [
            "Rofecoxib was withdrawn from the market in 2004, and this drug has been withdrawn worldwide.",
            "Opioid withdrawal symptoms are studied. It was withdrawn after the trial.",
            "Withdrawn drugs are a source of knowledge.",
            "Withdrawing a solid from a bath: how much liquid is coated?",
            "A paper that has been retracted keeps its citations, and if the paper is retracted they fall slowly.",
            "The previous versions of the study have been withdrawn due to a non-representative database.",
            "This claim is retracted as it can be shown by free-energy minimization",
            "Superfluid atoms are injected (withdrawn) asymmetrically into (from) a chamber",
            "The secret can be inserted but cannot be withdrawn without opening the box.",
            "Today about 4.9M USD cannot be withdrawn by their owners; posts are temporarily withdrawn by Lethe.",
            "In this work the needle is withdrawn slowly, and in this paper the tissue is retracted by a robot.",
            "We study withdrawal from the Paris agreement in this report.",
        ] {
            assert!(!says_so(None, Some(text)), "{text}");
        }
        assert!(!says_so(None, None));
    }

    proptest! {
        #[test]
        fn what_is_passed_over_would_not_have_been_understood(
            words in prop::collection::vec("this paper|(?i)withdrawn|re|tracted|(?i)retracted|is|w|C|[(.,]|has been", 0..8)
        ) {
            let text = words.join(" ");
            prop_assert_eq!(says_so(Some(&text), None), any_clause_says(&text, Place::Comment));
            prop_assert_eq!(says_so(None, Some(&text)), any_clause_says(&text, Place::Abstract));
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = says_so(Some(&text), Some(&text));
        }
    }
}
