//! The models of the hub that fastembed knows: which one a name means, and what its authors ask for.

use fastembed::{EmbeddingModel, ModelInfo as HubModel};

use crate::IndexError;

/// The model of a name: the hub's, or only what stands after the slash, since fastembed fetches many
/// models from a converted copy of another owner. Of a model and its smaller copies the full one.
pub(super) fn find<'a>(known: &'a [HubModel<EmbeddingModel>], name: &str) -> Option<&'a HubModel<EmbeddingModel>> {
    let last = |code: &str| code.rsplit('/').next().unwrap_or(code).to_ascii_lowercase();
    let wanted = last(name);
    let named = known.iter().filter(|model| {
        model.model_code.eq_ignore_ascii_case(name)
            || last(&model.model_code) == wanted
            || model.model.to_string() == name
    });
    let full = |model: &&HubModel<EmbeddingModel>| {
        let variant = model.model.to_string();
        (variant != name, variant.ends_with('Q') || variant.ends_with("Q4"), variant)
    };
    named.min_by_key(full)
}

pub(super) fn unknown(known: &[HubModel<EmbeddingModel>], name: &str) -> IndexError {
    let mut codes: Vec<&str> = known.iter().map(|model| model.model_code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    IndexError::UnknownModel { name: name.to_owned(), known: codes.join(", ") }
}

/// What a model's authors ask to be put before passages and before queries.
pub(super) fn prefixes(model: &str) -> (&'static str, &'static str) {
    const RETRIEVE: &str = "Represent this sentence for searching relevant passages: ";
    let model = model.to_ascii_lowercase();
    let has = |part: &str| model.contains(part);
    if has("-e5-") {
        ("passage: ", "query: ")
    } else if has("nomic-embed-text") || has("modernbert-embed") {
        ("search_document: ", "search_query: ")
    } else if has("arctic-embed") || has("mxbai-embed") || (has("bge-") && has("-en-")) {
        ("", RETRIEVE)
    } else {
        ("", "")
    }
}

#[cfg(test)]
mod tests {
    use fastembed::TextEmbedding;

    use super::*;

    #[test]
    fn hub_models_are_found_by_their_first_owners_name_too() {
        let known = TextEmbedding::list_supported_models();
        for (name, model) in [
            ("BAAI/bge-small-en-v1.5", EmbeddingModel::BGESmallENV15),
            ("Xenova/bge-small-en-v1.5", EmbeddingModel::BGESmallENV15),
            ("BGESmallENV15Q", EmbeddingModel::BGESmallENV15Q),
            ("nomic-ai/nomic-embed-text-v1.5", EmbeddingModel::NomicEmbedTextV15),
            ("intfloat/multilingual-e5-small", EmbeddingModel::MultilingualE5Small),
        ] {
            assert_eq!(find(&known, name).map(|found| found.model.clone()), Some(model), "{name}");
        }
        assert!(find(&known, "bge").is_none());
    }

    #[test]
    fn prefixes_are_those_of_the_models_authors() {
        assert_eq!(prefixes("all-MiniLM-L6-v2"), ("", ""));
        assert_eq!(prefixes("intfloat/multilingual-e5-small"), ("passage: ", "query: "));
        assert_eq!(prefixes("nomic-ai/nomic-embed-text-v1.5"), ("search_document: ", "search_query: "));
        assert_eq!(prefixes("BAAI/bge-m3"), ("", ""));
        assert!(prefixes("BAAI/bge-small-en-v1.5").1.starts_with("Represent this sentence"));
    }
}
