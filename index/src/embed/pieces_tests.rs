use super::*;
use proptest::prelude::*;

/// A tokenizer that knows a few words whole.
fn tokenizer() -> Tokenizer {
    let words = ["[UNK]", "[SEP]", "cat", "dog", "car", "the", ",", "##s"];
    let vocabulary: Vec<String> = words.iter().enumerate().map(|(n, word)| format!("\"{word}\": {n}")).collect();
    let text = format!(
        r###"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": {{"type": "Lowercase"}},
        "pre_tokenizer": {{"type": "BertPreTokenizer"}}, "post_processor": null, "decoder": null,
        "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {{{}}}}}}}"###,
        vocabulary.join(", ")
    );
    text.parse().unwrap()
}

/// From three dimensions to the first two; a cat is near a dog, a car is not.
fn bytes() -> Vec<u8> {
    let projection = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let vectors = [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, -1.0]];
    let floats = projection.into_iter().chain(vectors.into_iter().flatten()).flat_map(f32::to_le_bytes);
    let head = [8_u32, 3, 2].into_iter().flat_map(u32::to_le_bytes);
    MAGIC.iter().copied().chain(head).chain(floats).collect()
}

fn pieces() -> Pieces {
    Pieces::read(&bytes(), tokenizer()).unwrap()
}

#[test]
fn a_text_has_its_different_words_without_stop_words_and_marks() {
    assert_eq!(pieces().of("The cats, the DOG, a cat [SEP]"), [2, 3, 7]);
    assert_eq!(pieces().of("the , unknown"), [] as [u32; 0]);
}

#[test]
fn a_document_is_as_close_as_the_nearest_of_its_words() {
    let pieces = pieces();
    let query = pieces.of_query(&[2, 5, 4, 1], &[2.0, 0.0, 9.0, 1.0, 1.0, 1.0, 0.0, 3.0, 4.0, 1.0, 1.0, 1.0]);
    let piece = |piece, vector: [f32; 2]| QueryPiece { piece, vector: vector.to_vec() };
    assert_eq!(
        query,
        [piece(2, [1.0, 0.0]), piece(4, [0.0, 1.0])],
        "brought down, at length 1, no stop words or marks"
    );
    let close = pieces.closeness(&query, &[3.0, 1.0], &[vec![2, 4], vec![3], vec![7], vec![]]);
    for (close, expected) in close.iter().zip([1.0, (3.0 * 0.8 + 0.6) / 4.0, -0.25, 0.0]) {
        // The table has eight bits.
        assert!((close - expected).abs() < 2e-3, "{close} {expected}");
    }
    assert_eq!(pieces.of_query(&[5, 1], &[1.0; 6]).len(), 1, "of stop words alone they are kept");
    assert_eq!(pieces.closeness(&[], &[], &[vec![2]]), [0.0]);
    assert_eq!(pieces.closeness(&query, &[3.0, 1.0], &[vec![99_999]]), [0.0], "a piece that the table lacks");
}

#[test]
fn words_that_the_model_has_as_a_whole_are_told_from_those_it_has_in_parts() {
    let pieces = pieces();
    assert!(pieces.has_whole("Cat") && !pieces.has_whole("cats") && !pieces.has_whole("cat dog"));
    let query = pieces.of_query(&[2, 3, 7, 4], &[1.0; 12]);
    assert_eq!(pieces.are_whole(&query), [true, false, false, true], "cat dog ##s car");
    assert_eq!(pieces.are_whole(&[]), [] as [bool; 0]);
}

#[test]
fn a_damaged_table_is_told() {
    let whole = bytes();
    for length in 0..whole.len() {
        assert!(Pieces::read(whole.get(..length).unwrap(), tokenizer()).is_err(), "{length}");
    }
    let error = Pieces::read(&[&whole[..], &[0; 4]].concat(), tokenizer()).err().unwrap();
    assert_eq!(error, format!("{} bytes are not those of 8 pieces", whole.len() + 4));
}

proptest! {
    #[test]
    fn closeness_lies_from_minus_1_to_1_and_grows_with_the_document(
        weights in prop::collection::vec(0.1_f32..5.0, 2), words in prop::collection::btree_set(2_u32..8, 1..5), more in 2_u32..8,
    ) {
        let pieces = pieces();
        let query = pieces.of_query(&[2, 3], &[1.0, 0.2, 0.0, 0.1, 1.0, 0.0]);
        let short: Vec<u32> = words.into_iter().collect();
        let long = [&short[..], &[more]].concat();
        let close = pieces.closeness(&query, &weights, &[short, long]);
        prop_assert!(close.iter().all(|close| (-1.000_001..=1.000_001).contains(close)));
        prop_assert!(close[1] >= close[0]);
    }
}
