//! Everything that matches, in an order other than by relevance, and what it is.

use std::collections::HashMap;

use paper::PaperId;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use super::QueryWords;
use super::schema::{AUTHOR, CATEGORY, CITATIONS, DATE, VENUE, YEAR};
use super::snapshot::{Candidate, Snapshot};
use crate::filter::Conditions;
use crate::{FacetCount, FacetCounts, IndexError, Sort};

/// Values that are counted of a kind are at most these, the most frequent.
const MOST_VALUES: usize = 30;

/// A paper of a listing, and what it is listed by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Listed {
    pub(crate) value: i64,
    pub(crate) at: Candidate,
}

impl Snapshot {
    /// All papers that have the words and fulfil the conditions, by date or citations, the highest value first, equal
    /// ones by id; of each paper the first passage that does. Words are had when of up to three all are there, of
    /// more three quarters.
    pub(crate) fn list(
        &self,
        words: &QueryWords,
        conditions: &Conditions,
        sort: Sort,
    ) -> Result<Vec<Listed>, IndexError> {
        let Some(query) = words.having(self.fields, conditions) else { return Ok(Vec::new()) };
        let column = if sort == Sort::Citations { CITATIONS } else { DATE };
        let found = self.searcher.search(&query, &ByColumn(column)).map_err(IndexError::internal)?;
        let listed =
            found.into_iter().filter_map(|(value, address)| Some(Listed { value, at: self.ids.candidate(address)? }));
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_unstable_by(|a, b| {
            b.value.cmp(&a.value).then_with(|| (a.at.paper, a.at.address).cmp(&(b.at.paper, b.at.address)))
        });
        // A paper's passages have one value, so they stand beside each other.
        listed.dedup_by_key(|listed| listed.at.paper);
        Ok(listed)
    }

    /// What these papers are, each named once by one of its passages.
    pub(crate) fn count_facets(&self, papers: &[Candidate]) -> Result<FacetCounts, IndexError> {
        let mut years: HashMap<i64, usize> = HashMap::new();
        let mut values = [VENUE, CATEGORY, AUTHOR].map(|name| (name, HashMap::new()));
        for (ordinal, reader) in (0..).zip(self.searcher.segment_readers()) {
            let here: Vec<DocId> =
                papers.iter().filter(|at| at.address.segment_ord == ordinal).map(|at| at.address.doc_id).collect();
            let year = reader.fast_fields().i64(YEAR).map_err(IndexError::internal)?;
            here.iter().filter_map(|doc| year.first(*doc)).for_each(|year| *years.entry(year).or_default() += 1);
            for (name, counts) in &mut values {
                let column = reader.fast_fields().str(name).map_err(IndexError::internal)?;
                if let Some(column) = column {
                    count(&column, &here, counts)?;
                }
            }
        }
        let mut year: Vec<(i64, usize)> = years.into_iter().collect();
        year.sort_unstable_by(|a, b| b.cmp(a));
        let year = year.into_iter().map(|(year, count)| FacetCount { value: year.to_string(), count }).collect();
        let [venue, category, author] = values.map(|(_, counts)| most_frequent(counts));
        Ok(FacetCounts { year, venue, category, author })
    }
}

/// Counts the values of some documents: by number first, since most share few.
fn count(column: &StrColumn, docs: &[DocId], counts: &mut HashMap<String, usize>) -> Result<(), IndexError> {
    let mut by_number: HashMap<u64, usize> = HashMap::new();
    for number in docs.iter().flat_map(|doc| column.term_ords(*doc)) {
        *by_number.entry(number).or_default() += 1;
    }
    for (number, more) in by_number {
        let mut value = String::new();
        if column.ord_to_str(number, &mut value).map_err(IndexError::internal)? {
            *counts.entry(value).or_default() += more;
        }
    }
    Ok(())
}

fn most_frequent(counts: HashMap<String, usize>) -> Vec<FacetCount> {
    let mut counts: Vec<FacetCount> = counts.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
    counts.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    counts.truncate(MOST_VALUES);
    counts
}

/// Collects all documents with their value in a column, 0 where they have none.
struct ByColumn(&'static str);

struct OfSegment {
    ordinal: SegmentOrdinal,
    values: Column<i64>,
    found: Vec<(i64, DocAddress)>,
}

impl Collector for ByColumn {
    type Fruit = Vec<(i64, DocAddress)>;
    type Child = OfSegment;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<OfSegment> {
        Ok(OfSegment { ordinal, values: reader.fast_fields().i64(self.0)?, found: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        Ok(segments.concat())
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = Vec<(i64, DocAddress)>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.found.push((self.values.first(doc).unwrap_or(0), DocAddress::new(self.ordinal, doc)));
    }

    fn harvest(self) -> Self::Fruit {
        self.found
    }
}

/// The order of what stands behind a place in a listing.
pub(crate) fn stands_behind(listed: &Listed, value: i64, paper: PaperId) -> bool {
    listed.value < value || (listed.value == value && listed.at.paper > paper)
}
