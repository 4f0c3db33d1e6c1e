//! Text as a reader sees it, for the formats that know no LaTeX.

use super::scan::{Piece, pieces, single_spaced};

/// Commands that say how to set a text; the text stays.
const FONTS: &str = "\
    emph textit textbf textsc texttt textrm textsf textsl textup textnormal text mbox underline textsuperscript \
    textsubscript it bf em sl rm tt sc sf cal bfseries itshape scshape boldmath large protect";

/// Commands that are a word.
const WORDS: [(&str, &str); 3] = [("TeX", "TeX"), ("LaTeX", "LaTeX"), ("BibTeX", "BibTeX")];

/// LaTeX accents, letters and font changes read to Unicode; formulas and unknown commands as they are.
pub(in crate::citation) fn plain(text: &str) -> String {
    let mut out = String::new();
    // For each open group whether its braces are shown: those of an unknown command's argument and of an
    // index outside a formula, `D_{n+1}`, which would read differently without.
    let mut shown = Vec::new();
    let mut argument_next = false;
    for piece in pieces(text) {
        let is_argument = std::mem::take(&mut argument_next);
        match piece {
            Piece::Char('\u{a0}') => out.push(' '),
            Piece::Char(c) => {
                argument_next = matches!(c, '^' | '_');
                out.push(c);
            }
            Piece::Math(formula) => out.push_str(&formula),
            Piece::Command(command) => argument_next = push_command(&mut out, &command),
            Piece::Open => {
                shown.push(is_argument);
                out.extend(is_argument.then_some('{'));
            }
            Piece::Close => {
                let show = shown.pop().unwrap_or(false);
                out.extend(show.then_some('}'));
                argument_next = show;
            }
        }
    }
    single_spaced(&out)
}

/// Appends what the reader sees of a command; true when it is not known and stays as it is.
fn push_command(out: &mut String, command: &str) -> bool {
    let name = command.trim_start_matches('\\').trim_end();
    if let Some((_, word)) = WORDS.iter().find(|(known, _)| *known == name) {
        out.push_str(word);
        return false;
    }
    let unknown = !FONTS.split(' ').any(|font| font == name);
    if unknown {
        out.push_str(command);
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::plain;
    use proptest::prelude::*;

    const LINE_SEPARATOR: char = '\u{2028}';

    #[test]
    fn latex_becomes_what_a_reader_sees() {
        for (latex, seen) in [
            ("K\\\"ahler, Erd\\H{o}s and {\\L}ukasiewicz", "Kähler, Erdős and Łukasiewicz"),
            ("\\emph{Ab initio} {\\it Felis} {\\bf x}", "Ab initio Felis x"),
            ("{BERT}: R\\&D at 5\\%", "BERT: R&D at 5%"),
            ("Bundles on $P^n$ for \\gamma", "Bundles on $P^n$ for γ"),
            ("The \\LaTeX{} way", "The LaTeX way"),
            ("On \\NGC 224 and \\foo{bar}{x} {y}", "On \\NGC 224 and \\foo{bar}{x} y"),
            ("D_{n+1}^(2) and ^{6}Li", "D_{n+1}^(2) and ^{6}Li"),
            ("Fig.~1 ``quoted'' a--b", "Fig. 1 “quoted” a--b"),
            ("  two\n lines\u{2028}here\u{1c} ", "two lines here"),
        ] {
            assert_eq!(plain(latex), seen, "{latex}");
        }
    }

    proptest! {
        #[test]
        fn one_line_without_control_characters(text in any::<String>()) {
            let seen = plain(&text);
            prop_assert!(!seen.chars().any(|c| c.is_control() || c == LINE_SEPARATOR));
            prop_assert_eq!(seen.trim(), &seen);
        }
    }
}
