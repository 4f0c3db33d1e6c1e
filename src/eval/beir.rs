//! BEIR folders: `corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv` (<https://github.com/beir-cellar/beir>).

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A folder that is no BEIR data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; a BEIR folder has corpus.jsonl, queries.jsonl and qrels/*.tsv", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to measure.
    #[error("{} has no judged queries", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// A document of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// Its id in the data set.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its title; may be empty.
    #[serde(default)]
    pub title: String,
    /// Its text; may be empty.
    #[serde(default)]
    pub text: String,
}

#[derive(Deserialize)]
struct QueryLine {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

/// A corpus, and the queries that are judged on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The folder's name.
    pub name: String,
    /// The documents.
    pub corpus: Vec<Document>,
    /// The judged queries: id, text, and the grade of each judged document.
    pub queries: Vec<(String, String, HashMap<String, u32>)>,
}

impl Dataset {
    /// Reads a folder; the judgements of all files in `qrels` together. A query without judgements is left out.
    ///
    /// # Errors
    /// See [`DatasetError`].
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        let mut corpus = Vec::new();
        for_each_line(&folder.join("corpus.jsonl"), |line| {
            corpus.push(serde_json::from_str::<Document>(line).map_err(|fault| fault.to_string())?);
            Ok(())
        })?;
        let mut texts = BTreeMap::new();
        for_each_line(&folder.join("queries.jsonl"), |line| {
            let query: QueryLine = serde_json::from_str(line).map_err(|fault| fault.to_string())?;
            texts.insert(query.id, query.text);
            Ok(())
        })?;
        let mut judged: BTreeMap<String, HashMap<String, u32>> = BTreeMap::new();
        for file in qrels_files(&folder.join("qrels"))? {
            let mut first = true;
            for_each_line(&file, |line| {
                let header = std::mem::take(&mut first) && line.starts_with("query-id");
                if !header {
                    let (query, document, grade) = judgement(line)?;
                    judged.entry(query).or_default().insert(document, grade);
                }
                Ok(())
            })?;
        }
        let queries: Vec<_> = judged
            .into_iter()
            .filter_map(|(id, grades)| texts.get(&id).map(|text| (id.clone(), text.clone(), grades)))
            .collect();
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if queries.is_empty() {
            return Err(DatasetError::Empty { path: folder.to_owned() });
        }
        Ok(Self { name, corpus, queries })
    }
}

fn qrels_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn judgement(line: &str) -> Result<(String, String, u32), String> {
    let mut fields = line.split('\t');
    let (Some(query), Some(document), Some(grade)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("expected three fields: query-id, corpus-id, score".to_owned());
    };
    // Some sets grade below zero for "judged, and wrong"; that is worth as much as nothing.
    let grade: i64 = grade.trim().parse().map_err(|_| format!("`{grade}` is not a grade"))?;
    Ok((query.to_owned(), document.to_owned(), u32::try_from(grade).unwrap_or(0)))
}

fn for_each_line(path: &Path, mut read: impl FnMut(&str) -> Result<(), String>) -> Result<(), DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(unreadable)?;
        if !line.trim().is_empty() {
            read(&line).map_err(|reason| DatasetError::BadLine { path: path.to_owned(), line: number, reason })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(corpus: &str, queries: &str, qrels: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("qrels")).unwrap();
        std::fs::write(folder.path().join("corpus.jsonl"), corpus).unwrap();
        std::fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
        std::fs::write(folder.path().join("qrels/test.tsv"), qrels).unwrap();
        folder
    }

    const CORPUS: &str = "{\"_id\": \"d1\", \"title\": \"T\", \"text\": \"x\", \"metadata\": {}}\n\n{\"_id\": \"d2\", \"text\": \"y\"}\n";
    const QUERIES: &str = "{\"_id\": \"1\", \"text\": \"q\"}\n{\"_id\": \"2\", \"text\": \"unjudged\"}\n";

    #[test]
    fn a_folder_is_read_with_its_judged_queries_only() {
        let folder = folder(CORPUS, QUERIES, "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t-1\n9\td1\t1\n");
        let dataset = Dataset::read(folder.path()).unwrap();
        assert_eq!(dataset.corpus.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["d1", "d2"]);
        let grades = HashMap::from([("d1".to_owned(), 2), ("d2".to_owned(), 0)]);
        assert_eq!(dataset.queries, [("1".to_owned(), "q".to_owned(), grades)]);
    }

    #[test]
    fn a_fault_names_its_file_and_line() {
        let bad = folder("{\"_id\": 1}\n", QUERIES, "");
        let error = Dataset::read(bad.path()).unwrap_err().to_string();
        assert!(error.contains("corpus.jsonl, line 1: "), "{error}");
        let bad = folder(CORPUS, QUERIES, "1\td1\n");
        assert!(Dataset::read(bad.path()).unwrap_err().to_string().contains("test.tsv, line 1: expected three fields"));
        let bad = folder(CORPUS, QUERIES, "");
        assert!(matches!(Dataset::read(bad.path()).unwrap_err(), DatasetError::Empty { .. }));
        let nothing = tempfile::tempdir().unwrap();
        let error = Dataset::read(nothing.path()).unwrap_err().to_string();
        assert!(error.contains("a BEIR folder has corpus.jsonl"), "{error}");
    }
}
