//! What LaTeX calls the letters and signs that ASCII has not. One table serves both directions.

use unicode_normalization::char::{compose, decompose_canonical};

/// Accent commands and the combining marks they stand for (LaTeX2e, "Accents").
const ACCENTS: [(&str, char); 16] = [
    ("`", '\u{300}'),
    ("'", '\u{301}'),
    ("^", '\u{302}'),
    ("~", '\u{303}'),
    ("=", '\u{304}'),
    ("u", '\u{306}'),
    (".", '\u{307}'),
    ("\"", '\u{308}'),
    ("r", '\u{30a}'),
    ("H", '\u{30b}'),
    ("v", '\u{30c}'),
    ("d", '\u{323}'),
    ("textcommabelow", '\u{326}'),
    ("c", '\u{327}'),
    ("k", '\u{328}'),
    ("b", '\u{331}'),
];

/// Marks that leave the dot of an i or j where it is.
const BELOW: [char; 5] = ['\u{323}', '\u{326}', '\u{327}', '\u{328}', '\u{331}'];

/// Commands of running text, each with the letter or sign it stands for.
const TEXT: &str = "\
    aa å AA Å ae æ AE Æ oe œ OE Œ o ø O Ø l ł L Ł ss ß i ı j ȷ dj đ DJ Đ dh ð DH Ð th þ TH Þ S § pounds £ \
    texteuro € copyright © textregistered ® texttrademark ™ textdegree ° ldots … textbackslash \\ \
    textbraceleft { textbraceright } textasciicircum ^ textasciitilde ~";

/// Commands of formulas that also turn up in running text, bare or as Unicode.
const MATHS: &str = "\
    alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ \
    nu ν xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ \
    Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω ell ℓ hbar ℏ infty ∞ times × pm ± leq ≤ geq ≥ neq ≠ approx ≈ \
    sim ∼ to → leftrightarrow ↔ partial ∂ in ∈ subseteq ⊆ star ⋆";

/// Other names of what the tables hold, read and never written.
const ALSO: &str = "\
    textless < textgreater > textbar | rightarrow → le ≤ ge ≥ ne ≠ dots … textquotedblleft “ \
    textquotedblright ” textendash – textemdash —";

/// LaTeX's specials, signs that its oldest fonts print as others, and signs that it writes with ASCII.
const SIGNS: [(char, &str); 19] = [
    ('&', "\\&"),
    ('%', "\\%"),
    ('#', "\\#"),
    ('_', "\\_"),
    ('$', "\\$"),
    ('<', "{$<$}"),
    ('>', "{$>$}"),
    ('|', "{$|$}"),
    ('\u{a0}', "~"),
    ('\u{ad}', "\\-"),
    ('‐', "-"),
    ('‑', "-"),
    ('–', "--"),
    ('—', "---"),
    ('‘', "`"),
    ('’', "'"),
    ('“', "``"),
    ('”', "''"),
    ('−', "{$-$}"),
];

/// The ASCII characters that are not written as themselves.
const ESCAPED: &str = "&%#_$|<>\\{}^~";

/// The pairs of a table: a command without its backslash, and its character.
fn entries(table: &'static str) -> impl Iterator<Item = (&'static str, char)> {
    let mut words = table.split_whitespace();
    std::iter::from_fn(move || Some((words.next()?, words.next()?.chars().next()?)))
}

/// The letter or sign that a command of running text stands for.
pub(super) fn text_command(name: &str) -> Option<char> {
    entries(TEXT).chain(entries(ALSO)).find(|(known, _)| *known == name).map(|(_, letter)| letter)
}

/// The sign that a command of formulas stands for.
pub(super) fn maths_command(name: &str) -> Option<char> {
    entries(MATHS).find(|(known, _)| *known == name).map(|(_, sign)| sign)
}

/// Whether the command puts an accent on what follows it.
pub(super) fn is_accent(command: &str) -> bool {
    ACCENTS.iter().any(|(known, _)| *known == command)
}

/// The letter that an accent command makes of `base`; none where Unicode has no such letter.
pub(super) fn accented(command: &str, base: char) -> Option<char> {
    let (_, mark) = ACCENTS.iter().find(|(known, _)| *known == command)?;
    let dotted = match base {
        'ı' => 'i',
        'ȷ' => 'j',
        other => other,
    };
    compose(dotted, *mark)
}

/// Appends one character of running text in a form that classic BibTeX and every LaTeX engine read.
///
/// Accents become `{\'e}`, which BibTeX takes for one letter when it sorts, shortens given names and
/// changes case, where the bytes of a UTF-8 letter would be torn apart; biber reads both. Scripts that
/// LaTeX has no commands for stay as they are.
pub(super) fn write_latex(out: &mut String, c: char) {
    if c.is_ascii() && !ESCAPED.contains(c) {
        out.push(c);
    } else if let Some((_, written)) = SIGNS.iter().find(|(known, _)| *known == c) {
        out.push_str(written);
    } else if let Some((name, _)) = entries(TEXT).find(|(_, known)| *known == c) {
        out.push_str(&format!("{{\\{name}}}"));
    } else if let Some((name, _)) = entries(MATHS).find(|(_, known)| *known == c) {
        out.push_str(&format!("{{$\\{name}$}}"));
    } else if let Some(body) = accent_body(c) {
        out.push_str(&format!("{{{body}}}"));
    } else {
        out.push(c);
    }
}

/// `\'e` for é, `\'{\^e}` for ế; none for what is no accented Latin letter.
fn accent_body(c: char) -> Option<String> {
    let mut parts = Vec::new();
    decompose_canonical(c, |part| parts.push(part));
    let (base, marks) = parts.split_first()?;
    if !base.is_ascii_alphabetic() || marks.is_empty() {
        return None;
    }
    let loses_its_dot = matches!(base, 'i' | 'j') && marks.iter().any(|mark| !BELOW.contains(mark));
    let mut body = if loses_its_dot { format!("\\{base}") } else { base.to_string() };
    for mark in marks {
        let (command, _) = ACCENTS.iter().find(|(_, known)| known == mark)?;
        let is_word = command.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_letter = body.len() == 1 || matches!(body.as_str(), "\\i" | "\\j");
        body = if is_word || !is_letter { format!("\\{command}{{{body}}}") } else { format!("\\{command}{body}") };
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn written(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|c| write_latex(&mut out, c));
        out
    }

    #[test]
    fn letters_become_what_bibtex_takes_for_one_letter() {
        for (letter, latex) in [
            ("é", "{\\'e}"),
            ("Ö", "{\\\"O}"),
            ("ñ", "{\\~n}"),
            ("ç", "{\\c{c}}"),
            ("Š", "{\\v{S}}"),
            ("ő", "{\\H{o}}"),
            ("ą", "{\\k{a}}"),
            ("Ș", "{\\textcommabelow{S}}"),
            ("í", "{\\'\\i}"),
            ("ĭ", "{\\u{\\i}}"),
            ("ị", "{\\d{i}}"),
            ("ế", "{\\'{\\^e}}"),
            ("å", "{\\aa}"),
            ("Ł", "{\\L}"),
            ("ß", "{\\ss}"),
        ] {
            assert_eq!(written(letter), latex, "{letter}");
        }
    }

    #[test]
    fn specials_and_signs_are_escaped() {
        assert_eq!(written("R&D 5% #1 a_b $3"), "R\\&D 5\\% \\#1 a\\_b \\$3");
        assert_eq!(
            written("{x}^~\\"),
            "{\\textbraceleft}x{\\textbraceright}{\\textasciicircum}{\\textasciitilde}{\\textbackslash}"
        );
        assert_eq!(written("“a”—b–c’s"), "``a''---b--c's");
        assert_eq!(written("α≤Γ"), "{$\\alpha$}{$\\leq$}{$\\Gamma$}");
        assert_eq!(written("a<b>c|d"), "a{$<$}b{$>$}c{$|$}d");
    }

    #[test]
    fn scripts_without_commands_stay() {
        assert_eq!(written("注意力 Внимание 주의"), "注意力 Внимание 주의");
    }

    #[test]
    fn accents_compose_where_unicode_has_the_letter() {
        assert_eq!(accented("'", 'e'), Some('é'));
        assert_eq!(accented("'", 'ı'), Some('í'));
        assert_eq!(accented("'", 't'), None);
        assert_eq!(accented("emph", 'e'), None);
    }

    #[test]
    fn every_command_stands_once_and_reads_back() {
        let all = || entries(TEXT).chain(entries(MATHS)).chain(entries(ALSO));
        assert_eq!(all().map(|(name, _)| name).collect::<HashSet<_>>().len(), all().count());
        assert_eq!((entries(TEXT).count(), entries(MATHS).count(), entries(ALSO).count()), (32, 51, 12));
        assert!(entries(TEXT).all(|(name, letter)| text_command(name) == Some(letter)));
        assert!(entries(MATHS).all(|(name, sign)| maths_command(name) == Some(sign)));
        for (name, letter) in entries(TEXT).chain(entries(MATHS)) {
            assert!(written(&letter.to_string()).contains(name) || letter.is_ascii(), "{name}");
        }
    }
}
