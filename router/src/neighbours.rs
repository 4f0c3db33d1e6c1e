//! A vote of the training questions that are nearest to a question by their vectors. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Route;

/// How many vote.
const VOTERS: usize = 10;
/// A voter's weight is `exp(SHARPNESS * (its cosine - that of the nearest))`.
const SHARPNESS: f32 = 30.0;
/// What each route has of the vote before any voter is counted.
const FLOOR: f64 = 0.02;
/// A number of a vector of length 1 becomes a whole one of 8 bits by this, which moves a cosine by less than a hundredth.
const SCALE: f32 = 127.0;

/// The training questions as voters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Neighbours {
    dimension: usize,
    /// The vectors one after the other, each of length [`SCALE`].
    #[serde(serialize_with = "written", deserialize_with = "read")]
    vectors: Vec<i8>,
    routes: Vec<Route>,
}

impl Neighbours {
    /// None yet, with vectors of this length.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, ..Self::default() }
    }

    /// One more, with a vector of length 1.
    pub fn add(&mut self, vector: &[f32], route: Route) {
        self.vectors.extend(quantised(vector, self.dimension));
        self.routes.push(route);
    }

    /// Whether its parts fit together.
    pub fn is_sound(&self) -> bool {
        self.dimension > 0 && self.vectors.len() == self.dimension * self.routes.len()
    }

    /// The share of each of [`Route::ALL`] among the nearest; never none.
    pub fn vote(&self, vector: &[f32]) -> [f64; 3] {
        let wanted: Vec<i8> = quantised(vector, self.dimension).collect();
        let rows = self.vectors.chunks_exact(self.dimension.max(1));
        let mut rated: Vec<(i32, usize)> = rows.enumerate().map(|(at, row)| (dot(row, &wanted), at)).collect();
        let voters = VOTERS.min(rated.len());
        if voters == 0 {
            return [1.0 / 3.0; 3];
        }
        // The earlier of two that are as near, so that a vote does not depend on anything else.
        let nearer = |a: &(i32, usize), b: &(i32, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
        rated.select_nth_unstable_by(voters - 1, nearer);
        rated.truncate(voters);
        let best = rated.iter().map(|(dot, _)| *dot).max().unwrap_or_default();
        let mut shares = [0.0_f64; 3];
        for (dot, at) in &rated {
            let behind = (best - dot) as f32 / (SCALE * SCALE);
            let route = self.routes.get(*at).copied().unwrap_or(Route::Chat) as usize;
            if let Some(share) = shares.get_mut(route) {
                *share += f64::from((-SHARPNESS * behind).exp());
            }
        }
        let sum: f64 = shares.iter().sum();
        shares.map(|share| FLOOR + (1.0 - 3.0 * FLOOR) * share / sum)
    }
}

fn quantised(vector: &[f32], dimension: usize) -> impl Iterator<Item = i8> + '_ {
    #[allow(clippy::cast_possible_truncation)]
    let number = |value: f32| (value * SCALE).round().clamp(-SCALE, SCALE) as i8;
    (0..dimension).map(move |at| number(vector.get(at).copied().unwrap_or_default()))
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

fn written<S: Serializer>(vectors: &[i8], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = vectors.iter().map(|number| number.cast_unsigned()).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
    Ok(bytes.into_iter().map(u8::cast_signed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_vote_by_how_near_they_are() {
        let mut neighbours = Neighbours::new(2);
        for _ in 0..20 {
            neighbours.add(&[0.0, 1.0], Route::Chat);
        }
        neighbours.add(&[1.0, 0.0], Route::Reason);
        let [quote, chat, reason] = neighbours.vote(&[1.0, 0.0]);
        assert!((quote - FLOOR).abs() < 1e-6 && (chat - FLOOR).abs() < 1e-6, "{chat}: those far off hardly count");
        assert!((reason - (1.0 - 2.0 * FLOOR)).abs() < 1e-6);
        let [_, chat, reason] = neighbours.vote(&[0.0, 1.0]);
        assert!(chat > 0.9 && (reason - FLOOR).abs() < 1e-6);
        assert_eq!(Neighbours::new(2).vote(&[1.0, 0.0]), [1.0 / 3.0; 3]);
    }

    #[test]
    fn voters_are_read_back_as_they_were_written() {
        let mut neighbours = Neighbours::new(3);
        neighbours.add(&[0.6, -0.8, 0.0], Route::Quote);
        let text = serde_json::to_string(&neighbours).unwrap();
        let back: Neighbours = serde_json::from_str(&text).unwrap();
        assert_eq!(back, neighbours);
        assert!(back.is_sound());
    }
}
