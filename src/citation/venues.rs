//! What the name of a venue says: a preprint server, proceedings, or else a journal.

/// What sources write as a venue for a paper that has none.
const SERVERS: [(&str, &str); 9] = [
    ("arxiv", "arXiv"),
    ("computing research repository", "arXiv"),
    ("biorxiv", "bioRxiv"),
    ("medrxiv", "medRxiv"),
    ("chemrxiv", "ChemRxiv"),
    ("techrxiv", "TechRxiv"),
    ("research square", "Research Square"),
    ("ssrn", "SSRN"),
    ("social science research network", "SSRN"),
];

/// The preprint server that a venue's name means, if it means one.
pub(super) fn preprint_server(venue: &str) -> Option<&'static str> {
    let venue = venue.to_lowercase();
    if venue == "corr" || venue.starts_with("corr abs/") || venue.starts_with("corr, abs/") {
        return Some("arXiv");
    }
    SERVERS.iter().find(|(start, _)| venue.starts_with(start)).map(|(_, name)| *name)
}

/// Journals whose name would pass for proceedings, unless it names an event too.
const JOURNAL_PHRASES: [&str; 17] = [
    "proceedings of the national academy",
    "proc natl acad",
    "proc nat acad",
    "proc nat l acad",
    "proceedings of the acm on",
    "proc acm program lang",
    "vldb endowment",
    "royal society",
    "proc r soc",
    "proc roy soc",
    "mathematical society",
    "math soc",
    "proceedings of the japan academy",
    "proceedings of the institution of",
    "proceedings of the institute of radio engineers",
    "proc phys soc",
    "proceedings of the physical society",
];

/// Words that only journals have.
const JOURNAL_WORDS: &str = "\
    journal transactions trans letters lett annals magazine bulletin jmlr";

/// Words for an event at which papers are given.
const EVENTS: &str = "conference conf workshop workshops symposium congress colloquium meeting interspeech";

/// Names of conferences that say in no word that they are one.
const CONFERENCE_PHRASES: [&str; 10] = [
    "advances in neural",
    "lecture notes",
    "neural information processing systems",
    "computer vision and pattern recognition",
    "knowledge discovery and data mining",
    "uncertainty in artificial intelligence",
    "robotics science and systems",
    "chapter of the association for computational linguistics",
    "empirical methods in natural language processing",
    "medical image computing and computer assisted intervention",
];

/// Conferences by their short names.
const CONFERENCES: &str = "\
    3dv aaai aacl aamas accv acl acml aistats alt asplos automl bmvc cade cav chi cikm colm colt coling conll \
    corl crypto cvpr dac eacl ecai eccv ecir ecml emnlp esop eurocrypt focs fse icalp icassp iccv icde icdm \
    iclr icml icra icse ijcai ijcnlp ijcnn infocom iros isca isit kdd lics lrec miccai naacl ndss neurips nips \
    nsdi osdi pkdd pldi podc popl recsys rss sigir sigmod soda stoc uai wacv";

/// Short names that are common words or names too, taken only in full capitals and in the first place.
const WHOLE_VENUES: &str = "\
    WWW VLDB PODS MICRO SOSP WSDM CCS UIST";

/// Whether a venue's wording is that of proceedings.
pub(super) fn is_proceedings(venue: &str) -> bool {
    let separated: String = venue.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = separated.split_whitespace().collect();
    let text = format!(" {} ", words.join(" ").to_lowercase());
    let has = |phrase: &str| text.contains(&format!(" {phrase} "));
    let event = EVENTS.split(' ').any(has);
    let journal = JOURNAL_PHRASES.iter().any(|phrase| text.contains(phrase)) || is_proceedings_of_ieee(&text);
    if JOURNAL_WORDS.split(' ').any(has) || (journal && !event) {
        return false;
    }
    event
        || has("proceedings")
        || has("proc")
        || CONFERENCE_PHRASES.iter().copied().any(has)
        || words.iter().any(|word| is_short_name(word))
        || words.first().is_some_and(|word| WHOLE_VENUES.split(' ').any(|name| bare(word) == name))
}

/// The journal of that name; followed by words it is a conference of IEEE's.
fn is_proceedings_of_ieee(text: &str) -> bool {
    let after = ["proceedings of the ieee ", "proc ieee "].iter().find_map(|name| text.split_once(name));
    after.is_some_and(|(_, rest)| !rest.starts_with(char::is_alphabetic) || rest.starts_with("vol"))
}

/// `NeurIPS`, `CVPR2019`, `ICML'20` once the apostrophe is gone; never `alt` or `Chi`.
fn is_short_name(word: &str) -> bool {
    let word = bare(word);
    word.chars().filter(char::is_ascii_uppercase).count() >= 2
        && CONFERENCES.split(' ').any(|name| word.eq_ignore_ascii_case(name))
}

fn bare(word: &str) -> &str {
    word.trim_end_matches(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording_tells_proceedings_from_journals() {
        for venue in [
            "NeurIPS",
            "NIPS",
            "CVPR 2019",
            "ICML'20",
            "3DV",
            "Neural Information Processing Systems",
            "Advances in Neural Information Processing Systems 30 (NIPS 2017)",
            "Computer Vision and Pattern Recognition",
            "Annual Meeting of the Association for Computational Linguistics",
            "North American Chapter of the Association for Computational Linguistics",
            "International Conference on Learning Representations",
            "Proc. of the 3rd Workshop on NLP",
            "AIP Conf. Proc. 1234, 5 (2010)",
            "Proceedings of Machine Learning Research",
            "USENIX Security Symposium",
            "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            "Proceedings of the IEEE International Symposium on Information Theory",
            "Proceedings of the IEEE/CVF CVPR",
            "Lecture Notes in Computer Science",
            "WWW",
        ] {
            assert!(is_proceedings(venue), "{venue}");
        }
        for venue in [
            "Nature",
            "Phys. Rev. D 85, 092002 (2012)",
            "Journal of Machine Learning Research",
            "Proceedings of the National Academy of Sciences",
            "Proc. Natl. Acad. Sci. U.S.A.",
            "Proceedings of the IEEE",
            "Proc. IEEE 86, 2278 (1998)",
            "Proceedings of the IEEE, vol. 86",
            "Journal of Physics: Conference Series",
            "Proc. Roy. Soc. Lond. A 400",
            "Proceedings of the ACM on Programming Languages",
            "Proceedings of the VLDB Endowment",
            "Proc. Amer. Math. Soc. 12",
            "Transactions of the ACL",
            "IEEE Robotics and Automation Letters",
            "Chi Medicine",
            "",
        ] {
            assert!(!is_proceedings(venue), "{venue}");
        }
    }

    #[test]
    fn preprint_servers_are_no_venues() {
        for (venue, server) in [
            ("arXiv.org", Some("arXiv")),
            ("ArXiv", Some("arXiv")),
            ("arXiv preprint arXiv:1706.03762", Some("arXiv")),
            ("CoRR", Some("arXiv")),
            ("CoRR abs/1706.03762", Some("arXiv")),
            ("bioRxiv", Some("bioRxiv")),
            ("Social Science Research Network", Some("SSRN")),
            ("Corrosion Science", None),
            ("Nature", None),
        ] {
            assert_eq!(preprint_server(venue), server, "{venue}");
        }
    }
}
