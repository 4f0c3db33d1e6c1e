//! What may be asked for over REST by others than the operator: no file of this machine but those of one folder, and no
//! address but the API's own.

use std::io;
use std::path::Path;

use super::{App, SourceError};
use crate::config::{SyncSpec, optional};

/// Where Semantic Scholar lists the files of a difference (<https://api.semanticscholar.org/api-docs/datasets>).
const LISTS: &str = "api.semanticscholar.org";

impl App {
    /// The request as anybody may make it.
    ///
    /// # Errors
    /// [`SourceError::Spec`] for a `diff` that is neither a list of the API's nor below `sources.semantic_scholar.diff_dir`.
    pub async fn as_guest(&self, spec: SyncSpec) -> Result<SyncSpec, SourceError> {
        let diff = match &spec.diff {
            Some(place) => Some(self.diff_of_guest(place).await?),
            None => None,
        };
        Ok(SyncSpec { diff, ..spec })
    }

    /// The `diff` that anybody may ask for, with nothing in its path that leads elsewhere.
    ///
    /// # Errors
    /// As [`App::as_guest`].
    pub async fn diff_of_guest(&self, place: &str) -> Result<String, SourceError> {
        let settings = &self.config.settings.sources.semantic_scholar;
        if place.starts_with("http://") || place.starts_with("https://") {
            return match is_list(place, &settings.base_url) {
                true => Ok(place.to_owned()),
                false => Err(SourceError::Spec(format!("over REST a `diff` is read from https://{LISTS} only"))),
            };
        }
        let Some(folder) = optional(&settings.diff_dir) else {
            let told = "over REST no folder is read: set sources.semantic_scholar.diff_dir to the one below which the \
                        files of a `diff` lie, or use `lectern sync semantic-scholar --diff`";
            return Err(SourceError::Spec(told.to_owned()));
        };
        below(Path::new(folder), place).await.map_err(|fault| {
            tracing::warn!(%fault, place, "a `diff` that was asked for over REST is not read");
            let told = "over REST a `diff` must be a folder below that of sources.semantic_scholar.diff_dir";
            SourceError::Spec(told.to_owned())
        })
    }
}

fn is_list(place: &str, base_url: &str) -> bool {
    let Ok(url) = url::Url::parse(place) else { return false };
    let of_the_api = url.scheme() == "https" && url.host_str() == Some(LISTS) && url.port().is_none();
    of_the_api || url::Url::parse(base_url).is_ok_and(|own| own.origin() == url.origin())
}

async fn below(folder: &Path, place: &str) -> io::Result<String> {
    let folder = tokio::fs::canonicalize(folder).await?;
    let found = tokio::fs::canonicalize(folder.join(place)).await?;
    match found.to_str() {
        Some(text) if found.starts_with(&folder) => Ok(text.to_owned()),
        _ => Err(io::Error::other(format!("{} is not below {}", found.display(), folder.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_the_apis_over_https_or_those_of_the_configured_address() {
        let base = "http://127.0.0.1:9/graph/v1";
        for (place, taken) in [
            ("https://api.semanticscholar.org/datasets/v1/diffs/a/to/b/papers", true),
            ("http://127.0.0.1:9/datasets/v1/diffs/a/to/b/papers", true),
            ("http://api.semanticscholar.org/datasets", false),
            ("https://api.semanticscholar.org:8443/datasets", false),
            ("https://api.semanticscholar.org.evil.example/", false),
            ("https://api.semanticscholar.org@evil.example/", false),
            ("http://127.0.0.1:10/", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("https://", false),
        ] {
            assert_eq!(is_list(place, base), taken, "{place}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_taken_when_it_lies_below_and_no_link_leads_out() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("release")).unwrap();
        std::os::unix::fs::symlink(other.path(), folder.path().join("link")).unwrap();
        let real = folder.path().canonicalize().unwrap().join("release").display().to_string();
        let absolute = folder.path().join("release").display().to_string();
        for place in ["release", "release/../release", &absolute] {
            assert_eq!(below(folder.path(), place).await.unwrap(), real);
        }
        for place in ["..", "link", "release/../..", "missing", "/", &other.path().display().to_string()] {
            assert!(below(folder.path(), place).await.is_err(), "{place}");
        }
    }
}
