//! Text as the inside of a BibTeX field.

use std::collections::HashSet;
use std::ops::Range;

use super::capitals;
use super::letters::write_latex;
use super::scan::{Piece, pieces};

/// A title: specials escaped, formulas and commands kept, capitals that matter in braces.
pub(in crate::citation) fn title(text: &str) -> String {
    let pieces = pieces(text);
    let protected = capitals::protected(&pieces);
    write(&pieces, &protected)
}

/// Any other text, of which BibTeX leaves the case alone.
pub(in crate::citation) fn text(text: &str) -> String {
    write(&pieces(text), &[])
}

fn write(pieces: &[Piece], protected: &[Range<usize>]) -> String {
    let starts: HashSet<usize> = protected.iter().map(|range| range.start).collect();
    let ends: HashSet<usize> = protected.iter().map(|range| range.end).collect();
    let mut out = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        if starts.contains(&place) {
            out.push('{');
        }
        match piece {
            Piece::Char(' ') if out.is_empty() || out.ends_with(' ') => {}
            Piece::Char(c) => write_latex(&mut out, *c),
            Piece::Math(formula) => out.push_str(&safe_formula(formula)),
            Piece::Command(command) => out.push_str(command),
            Piece::Open => out.push('{'),
            Piece::Close => out.push('}'),
        }
        if ends.contains(&(place + 1)) {
            out.push('}');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A formula as it is, but for what would break the file: BibTeX counts `\{` as a brace, and a bare `%`
/// or `#` ends or breaks the line in LaTeX.
fn safe_formula(formula: &str) -> String {
    let named = !balances(formula);
    let mut out = String::with_capacity(formula.len());
    let mut chars = formula.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '#' => out.extend(['\\', c]),
            '\\' => match chars.next() {
                Some('{') if named => out.push_str("\\lbrace "),
                Some('}') if named => out.push_str("\\rbrace "),
                next => out.extend(std::iter::once('\\').chain(next)),
            },
            other => out.push(other),
        }
    }
    out
}

/// Whether braces pair up when a backslash before them makes no difference, as BibTeX counts.
pub(in crate::citation) fn balances(text: &str) -> bool {
    let mut depth = 0_i64;
    for c in text.chars() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::latex::plain;
    use proptest::prelude::*;

    #[track_caller]
    fn titles(cases: &[(&str, &str)]) {
        for (given, written) in cases {
            assert_eq!(title(given), *written, "{given}");
        }
    }

    #[test]
    fn acronyms_and_inner_capitals_are_protected() {
        titles(&[
            ("BERT Pre-training on ImageNet", "{BERT} Pre-training on {ImageNet}"),
            ("Sentence-BERT and GPT-4 in 3D", "Sentence-{BERT} and {GPT}-4 in {3D}"),
            ("Plan B for X-ray Images", "Plan {B} for {X}-ray Images"),
            ("Learning A Policy", "Learning A Policy"),
            ("Attention Is All You Need", "Attention Is All You Need"),
        ]);
    }

    #[test]
    fn the_word_after_a_stop_keeps_its_capital() {
        titles(&[
            ("Swin: Transformers at Scale", "Swin: {T}ransformers at Scale"),
            ("Flags. I. Case of Curves", "Flags. {I}. {C}ase of Curves"),
            ("Why? École Normale", "Why? {{\\'E}}cole Normale"),
            ("A View: A Survey", "A View: {A} Survey"),
        ]);
    }

    #[test]
    fn a_name_in_a_sentence_is_protected() {
        titles(&[
            ("Measurement of the Higgs boson mass", "Measurement of the {Higgs} boson mass"),
            ("Evolution towards J\\\"uttner equilibrium", "Evolution towards {J{\\\"u}ttner} equilibrium"),
            ("Toeplitz Quantization of K\\\"ahler Manifolds", "Toeplitz Quantization of K{\\\"a}hler Manifolds"),
        ]);
    }

    #[test]
    fn formulas_stay_and_their_capitals_are_protected() {
        titles(&[
            ("noise of $1/f$ kind", "noise of $1/f$ kind"),
            ("Bundles on $P^n$", "Bundles on {$P^n$}"),
            ("${\\cal h}$-maps", "{${\\cal h}$}-maps"),
            ("the set $\\left\\{ x \\right.$", "the set $\\left\\lbrace  x \\right.$"),
            ("the set $\\{x\\}$", "the set $\\{x\\}$"),
            ("$5%$ of $n#$", "$5\\%$ of $n\\#$"),
        ]);
    }

    #[test]
    fn specials_lone_dollars_and_braces_are_made_safe() {
        titles(&[
            ("Q&A at 5% for $150", "Q\\&A at 5\\% for \\$150"),
            ("a_b^c {d", "a\\_b{\\textasciicircum}c d"),
            ("\\{open and } closed", "{\\textbraceleft}open and closed"),
            ("C:\\ 7 \\7", "C: 7 {\\textbackslash}7"),
        ]);
    }

    #[test]
    fn commands_and_groups_are_kept() {
        titles(&[
            ("{\\it Felis} and \\emph{BERT}", "{{\\it Felis}} and \\emph{BERT}"),
            ("{T}rees of \\NGC 224", "{T}rees of {\\NGC }224"),
            ("use of {\\L}ojasiewicz", "use of {\\L}ojasiewicz"),
        ]);
    }

    #[test]
    fn other_text_keeps_its_case_without_braces() {
        assert_eq!(text("IEEE Transactions on R&D"), "IEEE Transactions on R\\&D");
    }

    proptest! {
        #[test]
        fn any_text_gives_balanced_braces(text in "\\PC{0,60}") {
            prop_assert!(balances(&title(&text)), "{}", title(&text));
        }

        #[test]
        fn any_latex_gives_balanced_braces(given in "[aAé1 \\\\{}$%#'\"^~`(:.]{0,40}") {
            prop_assert!(balances(&title(&given)), "{}", title(&given));
            prop_assert!(balances(&text(&given)), "{}", text(&given));
        }

        #[test]
        fn a_written_title_reads_back_as_the_same_text(given in "[a-zA-Z0-9 é&%#_Łß,.:-]{0,40}") {
            // The braces of an index are shown to a reader, and protecting one adds them: `_{B}`.
            prop_assert_eq!(plain(&title(&given)).replace(['{', '}'], ""), plain(&given));
        }
    }
}
