//! LaTeX text taken apart. Accents and letter commands are read to Unicode at once, so that whoever
//! writes needs to know one spelling only; braces come out balanced whatever came in.

use unicode_normalization::UnicodeNormalization;

use super::letters;

/// Inside of an accent's braces longer than this is no letter; also bounds the recursion.
const LONGEST_LETTER: usize = 12;

/// One piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A character of running text; a no-break space is LaTeX's tie.
    Char(char),
    /// A formula with its delimiters, as it was written; its unescaped braces are balanced.
    Math(String),
    /// A command that stands for no character, with the space behind it if there was one.
    Command(String),
    /// `{` of a group; always has its [`Piece::Close`].
    Open,
    /// `}` of a group.
    Close,
}

/// Takes `text` apart: white space single, Unicode composed (NFC), braces without a partner dropped, a
/// `$` that opens no formula an ordinary character.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let clean = single_spaced(text);
    let mut scan = Scan { rest: &clean, found: Vec::new() };
    while scan.step().is_some() {}
    unwrap_letters(&drop_unmatched(scan.found))
}

/// One space between words, none at the ends, no control characters, nothing invisible.
pub(super) fn single_spaced(text: &str) -> String {
    let visible = text.nfc().filter(|c| !is_invisible(*c));
    let composed: String = visible.map(|c| if c.is_control() { ' ' } else { c }).collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks of writing direction and of zero width that copying from PDF leaves behind. BibTeX would take
/// one before a given name for its initial.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

struct Scan<'a> {
    rest: &'a str,
    found: Vec<Piece>,
}

impl<'a> Scan<'a> {
    /// Reads one piece; `None` at the end.
    fn step(&mut self) -> Option<()> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        match c {
            '\\' => self.command(),
            '$' => self.dollar(),
            '{' => self.found.push(Piece::Open),
            '}' => self.found.push(Piece::Close),
            '~' if self.ties() => self.char('\u{a0}'),
            '`' => self.quote(),
            '\'' => self.closing_quote(),
            other => self.char(other),
        }
        Some(())
    }

    fn char(&mut self, c: char) {
        self.found.push(Piece::Char(c));
    }

    /// Whether a `~` stands between two words, where it is a space; elsewhere it means "about".
    fn ties(&self) -> bool {
        let after_word = match self.found.last() {
            Some(Piece::Char(c)) => c.is_alphanumeric() || ".,;:)".contains(*c),
            Some(Piece::Open) | None => false,
            Some(_) => true,
        };
        after_word && self.rest.starts_with(|c: char| !c.is_whitespace())
    }

    fn quote(&mut self) {
        if let Some(rest) = self.rest.strip_prefix('`') {
            self.rest = rest;
            self.char('“');
        } else {
            self.char('`');
        }
    }

    /// `''` closes what "``" opened; alone it may be two primes.
    fn closing_quote(&mut self) {
        match self.rest.strip_prefix('\'') {
            Some(rest) if self.found.contains(&Piece::Char('“')) => {
                self.rest = rest;
                self.char('”');
            }
            _ => self.char('\''),
        }
    }

    fn dollar(&mut self) {
        let delimiter = if self.rest.starts_with('$') { "$$" } else { "$" };
        let body = self.rest.strip_prefix('$').filter(|_| delimiter == "$$").unwrap_or(self.rest);
        if !self.formula(delimiter, body, delimiter) {
            self.char('$');
        }
    }

    /// Takes the formula that begins with `body`, if there is one.
    fn formula(&mut self, open: &str, body: &'a str, close: &str) -> bool {
        let Some((inner, rest)) = split_at_unescaped(body, close) else { return false };
        if inner.trim().is_empty() || !braces_balance(inner) || (open == "$" && is_price(inner, rest)) {
            return false;
        }
        self.found.push(Piece::Math(format!("{open}{inner}{close}")));
        self.rest = rest;
        true
    }

    fn command(&mut self) {
        let after_name = self.rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let name = self.rest.strip_suffix(after_name).unwrap_or_default();
        if name.is_empty() {
            return self.symbol();
        }
        self.rest = after_name;
        if let Some(letter) = letters::text_command(name) {
            self.rest = after_name.strip_prefix("{}").unwrap_or_else(|| after_name.trim_start());
            self.char(letter);
        } else if let Some(sign) = letters::maths_command(name) {
            self.char(sign);
        } else if !(letters::is_accent(name) && self.accent(name, after_name.trim_start())) {
            let spaced = after_name.strip_prefix(' ');
            self.rest = spaced.unwrap_or(after_name);
            self.found.push(Piece::Command(format!("\\{name}{}", if spaced.is_some() { " " } else { "" })));
        }
    }

    /// A backslash before anything but a letter.
    fn symbol(&mut self) {
        let mut chars = self.rest.chars();
        let Some(c) = chars.next() else { return self.char('\\') };
        let after = chars.as_str();
        let opens_formula = match c {
            '(' => self.formula("\\(", after, "\\)"),
            '[' => self.formula("\\[", after, "\\]"),
            _ => false,
        };
        if opens_formula {
            return;
        }
        if letters::is_accent(c.encode_utf8(&mut [0; 4])) {
            if !self.accent(c.encode_utf8(&mut [0; 4]), after.trim_start()) {
                // An accent on nothing is the sign itself: `\~{}`, or a quote escaped by mistake.
                self.rest = after.strip_prefix("{}").unwrap_or(after);
                self.char(c);
            }
            return;
        }
        match c {
            '&' | '%' | '#' | '_' | '$' | '{' | '}' => self.char(c),
            '\\' | ' ' | ',' | ';' | ':' => self.char(' '),
            '!' | '-' | '/' | '@' => {}
            _ => return self.char('\\'),
        }
        self.rest = after;
    }

    /// Takes the letter that the accent stands on; false, and nothing taken, where there is none.
    fn accent(&mut self, command: &str, argument: &'a str) -> bool {
        let Some((letter, rest)) =
            accent_base(argument).and_then(|(base, rest)| Some((letters::accented(command, base)?, rest)))
        else {
            return false;
        };
        self.rest = rest;
        self.char(letter);
        true
    }
}

/// `e`, `{e}`, `\i` or `{\^e}`, and what follows it.
fn accent_base(argument: &str) -> Option<(char, &str)> {
    if let Some(body) = argument.strip_prefix('{') {
        let (inner, rest) = split_group(body)?;
        return match pieces(inner).as_slice() {
            [Piece::Char(base)] => Some((*base, rest)),
            _ => None,
        };
    }
    for (command, base) in [("\\i", 'ı'), ("\\j", 'ȷ')] {
        if let Some(rest) = argument.strip_prefix(command)
            && !rest.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            return Some((base, rest.trim_start()));
        }
    }
    let mut chars = argument.chars();
    Some((chars.next()?, chars.as_str()))
}

/// The inside of a short group whose `{` is already taken, and what follows its `}`.
fn split_group(body: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, c) in body.char_indices().take_while(|(at, _)| *at <= LONGEST_LETTER) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some((body.get(..at)?, body.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn split_at_unescaped<'a>(body: &'a str, delimiter: &str) -> Option<(&'a str, &'a str)> {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        let rest = body.get(at..)?;
        if !escaped && let Some(after) = rest.strip_prefix(delimiter) {
            return Some((body.get(..at)?, after));
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// Whether every unescaped brace has its partner.
fn braces_balance(inner: &str) -> bool {
    let (mut depth, mut escaped) = (0_i64, false);
    for c in inner.chars() {
        match c {
            '{' if !escaped => depth += 1,
            '}' if !escaped => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
        escaped = c == '\\' && !escaped;
    }
    depth == 0
}

/// `$5 to $10` names two prices and no formula.
fn is_price(inner: &str, rest: &str) -> bool {
    inner.starts_with(|c: char| c.is_ascii_digit())
        && (inner.ends_with(' ') || rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn drop_unmatched(found: Vec<Piece>) -> Vec<Piece> {
    let mut open = Vec::new();
    let mut kept: Vec<bool> = Vec::with_capacity(found.len());
    for (place, piece) in found.iter().enumerate() {
        let keep = match piece {
            // Kept only once its partner is seen.
            Piece::Open => {
                open.push(place);
                false
            }
            Piece::Close => {
                let partner = open.pop().and_then(|start| kept.get_mut(start));
                partner.map(|kept| *kept = true).is_some()
            }
            _ => true,
        };
        kept.push(keep);
    }
    found.into_iter().zip(kept).filter_map(|(piece, keep)| keep.then_some(piece)).collect()
}

/// `{\"o}` and `{ö}` are the letter ö; only as a command's argument do the braces matter.
fn unwrap_letters(pieces: &[Piece]) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut rest = pieces;
    loop {
        rest = match rest {
            [Piece::Open, letter @ Piece::Char(c), Piece::Close, tail @ ..]
                if !c.is_ascii() && !matches!(out.last(), Some(Piece::Command(_))) =>
            {
                out.push(letter.clone());
                tail
            }
            [piece, tail @ ..] => {
                out.push(piece.clone());
                tail
            }
            [] => return out,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chars(text: &str) -> Vec<Piece> {
        text.chars().map(Piece::Char).collect()
    }

    #[test]
    fn every_spelling_of_an_accent_is_one_letter() {
        for spelling in ["K\\\"ahler", "K\\\"{a}hler", "K{\\\"a}hler", "K{\\\"{a}}hler", "K\\\" ahler", "Ka\u{308}hler"]
        {
            assert_eq!(pieces(spelling), chars("Kähler"), "{spelling}");
        }
        assert_eq!(
            pieces("\\L ukasz \\Lącki Stra\\ss{}e \\'{\\i}\\'\\i\\c c\\v{s}"),
            chars("Łukasz Łącki Straße ííçš")
        );
        assert_eq!(pieces("T{\\'{\\^e}}t"), chars("Tết"));
    }

    #[test]
    fn formulas_are_kept_whole() {
        let maths = |text: &str| Piece::Math(text.into());
        assert_eq!(pieces("$a_{b}$"), [maths("$a_{b}$")]);
        assert_eq!(pieces("$$x$$"), [maths("$$x$$")]);
        assert_eq!(pieces("\\(x\\)"), [maths("\\(x\\)")]);
        assert_eq!(pieces("$a\\$b$"), [maths("$a\\$b$")]);
        assert_eq!(pieces("$\\left\\{ x \\right.$"), [maths("$\\left\\{ x \\right.$")]);
    }

    #[test]
    fn a_dollar_without_formula_is_a_character() {
        for text in ["costs $150 US", "$5 to $10", "a $", "$$", "$a{b$"] {
            assert!(!pieces(text).iter().any(|piece| matches!(piece, Piece::Math(_))), "{text}");
        }
        assert_eq!(pieces("$5"), chars("$5"));
    }

    #[test]
    fn commands_groups_and_unmatched_braces() {
        let command = |text: &str| Piece::Command(text.into());
        assert_eq!(pieces("\\emph{x}"), [command("\\emph"), Piece::Open, Piece::Char('x'), Piece::Close]);
        assert_eq!(pieces("\\NGC 1"), [command("\\NGC "), Piece::Char('1')]);
        assert_eq!(
            pieces("}a{b{c}"),
            [Piece::Char('a'), Piece::Char('b'), Piece::Open, Piece::Char('c'), Piece::Close]
        );
        assert_eq!(pieces("\\{a\\} \\& \\7 \\"), chars("{a} & \\7 \\"));
        assert_eq!(pieces("\\gamma rays, don\\'t"), chars("γ rays, don't"));
    }

    #[test]
    fn a_tilde_between_words_is_a_space_and_elsewhere_itself() {
        assert_eq!(pieces("Fig.~1 at ~300 (~3)"), chars("Fig.\u{a0}1 at ~300 (~3)"));
    }

    #[test]
    fn quotes_pair_up() {
        assert_eq!(pieces("``a'' f`s"), chars("“a” f`s"));
        assert_eq!(pieces("f''"), chars("f''"));
    }

    #[test]
    fn invisible_marks_and_control_characters_go() {
        assert_eq!(pieces("\u{202a}Amit\u{202c}\u{200f} \u{7}x\u{200b}y"), chars("Amit xy"));
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = "\\'{".repeat(50_000);
        assert!(pieces(&deep).len() <= deep.len());
    }

    proptest! {
        #[test]
        fn braces_always_pair(text in "[a-zé\\\\{}$ '\"^]{0,40}") {
            let mut depth = 0_i64;
            for piece in pieces(&text) {
                depth += match piece { Piece::Open => 1, Piece::Close => -1, _ => 0 };
                prop_assert!(depth >= 0);
            }
            prop_assert_eq!(depth, 0);
        }

        #[test]
        fn text_without_latex_is_read_as_it_is(text in "[a-zA-Z0-9,.:äß注 ]{0,40}") {
            prop_assert_eq!(pieces(&text), chars(&single_spaced(&text)));
        }
    }
}
