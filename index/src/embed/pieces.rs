//! Words compared with words, by the vectors that a model has of its word pieces.

use std::collections::BTreeSet;

use tokenizers::Tokenizer;

use crate::lexical::is_stop_word;

/// What a file of vectors begins with; `scripts/export_pieces.py` says what follows.
const MAGIC: &[u8] = b"LPV1";

/// Numbers that are added side by side.
const LANES: usize = 8;
/// Sums that grow beside each other: one after the other, each addition would wait for the one before it.
const SUMS: usize = 4;

/// A word piece of a query, as the model reads it in its sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPiece {
    /// Its number in the model's vocabulary.
    pub piece: u32,
    /// Its vector, of length 1, in the directions of [`Pieces`].
    pub vector: Vec<f32>,
}

/// The word pieces of a model: which of them a text has, and the vector of each alone.
///
/// A paper is as close to a query as its words are to the query's: each word of the query is looked for among the
/// paper's, and the cosine of the nearest counts ("MaxSim"; Khattab and Zaharia, "ColBERT", SIGIR 2020). There both
/// sides are read in their sentence. Here only the query's are, and the paper's alone, so that a table of all pieces
/// is enough, and of a paper nothing is kept but which pieces it has.
pub struct Pieces {
    tokenizer: Tokenizer,
    /// The model's dimension, and that of the vectors here.
    from: usize,
    to: usize,
    /// A row for each dimension of the model.
    projection: Vec<f32>,
    /// A row for each piece, in eight bits: what a search reads of it comes from far places of a table that is then small
    /// enough to stay near the processor.
    vectors: Vec<i8>,
    /// What each row is to be multiplied by to have length 1.
    scales: Vec<f32>,
}

impl Pieces {
    /// Reads the vectors of a tokenizer's pieces.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn read(bytes: &[u8], mut tokenizer: Tokenizer) -> Result<Self, String> {
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let body = bytes.strip_prefix(MAGIC).ok_or("it does not begin with LPV1")?;
        let (words, rest) = body.as_chunks::<4>();
        let [count, from, to, floats @ ..] = words else { return Err("it is cut short".to_owned()) };
        let size = |word: &[u8; 4]| usize::try_from(u32::from_le_bytes(*word)).unwrap_or(usize::MAX);
        let (count, from, to) = (size(count), size(from), size(to));
        let projected = from.saturating_mul(to);
        if !rest.is_empty() || to == 0 || floats.len() != projected.saturating_add(count.saturating_mul(to)) {
            return Err(format!("{} bytes are not those of {count} pieces", bytes.len()));
        }
        let (projection, rows) = floats.split_at_checked(projected).ok_or("it is cut short")?;
        let projection = projection.iter().map(|float| f32::from_le_bytes(*float)).collect();
        let (vectors, scales) = in_eight_bits(rows, to);
        Ok(Self { tokenizer, from, to, projection, vectors, scales })
    }

    /// The different pieces of a text that say something of its subject, ascending: no stop words, no punctuation.
    #[must_use]
    pub fn of(&self, text: &str) -> Vec<u32> {
        let Ok(encoded) = self.tokenizer.encode_fast(text, false) else { return Vec::new() };
        let different: BTreeSet<u32> = encoded.get_ids().iter().copied().collect();
        different.into_iter().filter(|piece| self.says_something(*piece)).collect()
    }

    /// The pieces of a query, each with what the model made of it there: a row of numbers for each piece. A piece that
    /// comes twice is kept twice. When all are stop words, all are kept.
    pub(super) fn of_query(&self, pieces: &[u32], rows: &[f32]) -> Vec<QueryPiece> {
        let all = || pieces.iter().zip(rows.chunks_exact(self.from)).filter(|(piece, _)| !self.is_mark(**piece));
        let told = |(piece, row): (&u32, &[f32])| QueryPiece { piece: *piece, vector: self.projected(row) };
        let some: Vec<QueryPiece> = all().filter(|(piece, _)| self.says_something(**piece)).map(told).collect();
        if some.is_empty() { all().map(told).collect() } else { some }
    }

    /// How close each document is to a query, from -1 to 1: the mean over the query's pieces, by these weights, of the
    /// cosine of the nearest piece of the document. 0 for a document without pieces that the table has.
    #[must_use]
    pub fn closeness(&self, query: &[QueryPiece], weights: &[f32], documents: &[Vec<u32>]) -> Vec<f32> {
        let total: f32 = weights.iter().sum();
        if query.is_empty() || total <= 0.0 {
            return vec![0.0; documents.len()];
        }
        // Most pieces are in many documents: each is looked at once.
        let mut places = vec![u32::MAX; self.scales.len()];
        let mut known: Vec<u32> = Vec::new();
        for piece in documents.iter().flatten() {
            let place = usize::try_from(*piece).ok().and_then(|piece| places.get_mut(piece));
            if let Some(place) = place.filter(|place| **place == u32::MAX) {
                *place = u32::try_from(known.len()).unwrap_or(u32::MAX);
                known.push(*piece);
            }
        }
        let cosines = pulp::Arch::new().dispatch(|| self.cosines(query, &known));
        let blocks = query.len().div_ceil(LANES);
        let row = |piece: &u32| {
            let place = usize::try_from(*piece).ok().and_then(|piece| places.get(piece)).copied();
            let at = place.and_then(|place| usize::try_from(place).ok()).unwrap_or(usize::MAX).saturating_mul(blocks);
            cosines.get(at..at.saturating_add(blocks)).unwrap_or_default()
        };
        let of_document = |document: &Vec<u32>| {
            let mut nearest = vec![[f32::NEG_INFINITY; LANES]; blocks];
            for piece in document {
                for (nearest, cosines) in nearest.iter_mut().zip(row(piece)) {
                    nearest.iter_mut().zip(cosines).for_each(|(nearest, cosine)| *nearest = nearest.max(*cosine));
                }
            }
            let sum: f32 = nearest.as_flattened().iter().zip(weights).map(|(nearest, weight)| nearest * weight).sum();
            // Without a piece that the table has, nothing is near anything.
            if sum.is_finite() { sum / total } else { 0.0 }
        };
        documents.iter().map(of_document).collect()
    }

    /// The cosines of each piece with each of the query's: for each piece as many blocks as hold them.
    #[inline(always)]
    fn cosines(&self, query: &[QueryPiece], pieces: &[u32]) -> Vec<[f32; LANES]> {
        let blocks: Vec<Vec<[f32; LANES]>> = query.chunks(LANES).map(|some| self.turned(some)).collect();
        let mut cosines = Vec::with_capacity(pieces.len() * blocks.len());
        let mut vector = vec![0.0_f32; self.to];
        for piece in pieces {
            let number = usize::try_from(*piece).unwrap_or(usize::MAX);
            let scale = self.scales.get(number).copied().unwrap_or_default();
            let at = number.saturating_mul(self.to);
            let row = self.vectors.get(at..at.saturating_add(self.to)).unwrap_or_default();
            vector.iter_mut().zip(row).for_each(|(x, bits)| *x = scale * f32::from(*bits));
            cosines.extend(blocks.iter().map(|block| products(&vector, block)));
        }
        cosines
    }

    /// Some vectors side by side, a row for each direction, so that the compiler takes them all at once.
    fn turned(&self, some: &[QueryPiece]) -> Vec<[f32; LANES]> {
        let mut rows = vec![[0.0; LANES]; self.to];
        for (place, of) in some.iter().enumerate() {
            for (row, x) in rows.iter_mut().zip(&of.vector) {
                row.iter_mut().skip(place).take(1).for_each(|to| *to = *x);
            }
        }
        rows
    }

    /// A row of the model brought down to the directions here, at length 1.
    fn projected(&self, row: &[f32]) -> Vec<f32> {
        let mut vector = vec![0.0_f32; self.to];
        for (x, direction) in row.iter().zip(self.projection.chunks_exact(self.to)) {
            vector.iter_mut().zip(direction).for_each(|(sum, y)| *sum += x * y);
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    /// Whether the model has a word as a whole, and not only in parts.
    #[must_use]
    pub fn has_whole(&self, word: &str) -> bool {
        self.tokenizer.encode_fast(word, false).is_ok_and(|encoded| encoded.get_ids().len() == 1)
    }

    /// For each piece of a query whether it is a whole word.
    #[must_use]
    pub fn are_whole(&self, query: &[QueryPiece]) -> Vec<bool> {
        let goes_on = |of: &QueryPiece| self.tokenizer.id_to_token(of.piece).is_some_and(|word| word.starts_with("##"));
        let next = query.iter().skip(1).map(goes_on).chain([false]);
        query.iter().zip(next).map(|(of, next_goes_on)| !goes_on(of) && !next_goes_on).collect()
    }

    fn says_something(&self, piece: u32) -> bool {
        let word = self.tokenizer.id_to_token(piece).unwrap_or_default();
        !self.is_mark(piece) && word.chars().any(char::is_alphanumeric) && !is_stop_word(&word)
    }

    /// Whether it is one of the model's own, such as `[SEP]`.
    fn is_mark(&self, piece: u32) -> bool {
        self.tokenizer
            .id_to_token(piece)
            .is_none_or(|word| word.len() > 2 && word.starts_with('[') && word.ends_with(']'))
    }
}

/// Rows in eight bits, the largest number of each 127, and what makes each of length 1 again.
#[allow(clippy::cast_possible_truncation)]
fn in_eight_bits(rows: &[[u8; 4]], width: usize) -> (Vec<i8>, Vec<f32>) {
    let (mut bits, mut scales) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len() / width));
    for row in rows.chunks_exact(width) {
        let row: Vec<f32> = row.iter().map(|float| f32::from_le_bytes(*float)).collect();
        let largest = row.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        let row: Vec<i8> = row.iter().map(|x| (127.0 * x / largest).round() as i8).collect();
        let length = row.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>().sqrt();
        scales.push(if length > 0.0 { 1.0 / length } else { 0.0 });
        bits.extend(row);
    }
    (bits, scales)
}

/// The products of a vector with some side by side, see [`Pieces::turned`].
#[inline(always)]
fn products(vector: &[f32], block: &[[f32; LANES]]) -> [f32; LANES] {
    let (several, rest) = vector.as_chunks::<SUMS>();
    let (rows, rows_left) = block.as_chunks::<SUMS>();
    let mut sums = [[0.0_f32; LANES]; SUMS];
    for (xs, rows) in several.iter().zip(rows) {
        for ((sum, x), row) in sums.iter_mut().zip(xs).zip(rows) {
            add(sum, *x, row);
        }
    }
    let [mut sum, others @ ..] = sums;
    others.iter().for_each(|other| add(&mut sum, 1.0, other));
    rest.iter().zip(rows_left).for_each(|(x, row)| add(&mut sum, *x, row));
    sum
}

#[inline(always)]
fn add(sum: &mut [f32; LANES], x: f32, row: &[f32; LANES]) {
    sum.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
