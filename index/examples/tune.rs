//! Throwaway: nDCG@10 of the modes on BEIR folders.
#![allow(clippy::all, clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, clippy::print_stdout, clippy::string_slice, clippy::disallowed_methods, clippy::too_many_lines, missing_docs)]
use index::*;
use paper::*;
use std::collections::*;
use std::io::{BufWriter, Cursor, Read, Write};
use std::sync::*;
use std::time::*;

struct Cached {
    inner: FastEmbedder,
    map: Mutex<HashMap<String, Vec<f32>>>,
    path: std::path::PathBuf,
}
impl Cached {
    fn new(inner: FastEmbedder, path: &str) -> Self {
        let mut map = HashMap::new();
        if let Ok(b) = std::fs::read(path) {
            let mut c = Cursor::new(b);
            let mut l = [0u8; 4];
            while c.read_exact(&mut l).is_ok() {
                let mut t = vec![0; u32::from_le_bytes(l) as usize];
                c.read_exact(&mut t).unwrap();
                let mut v = vec![0u8; 384 * 4];
                c.read_exact(&mut v).unwrap();
                map.insert(String::from_utf8(t).unwrap(), v.chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect());
            }
        }
        Self { inner, map: Mutex::new(map), path: path.into() }
    }
    fn save(&self) {
        let mut f = BufWriter::new(std::fs::File::create(&self.path).unwrap());
        for (t, v) in self.map.lock().unwrap().iter() {
            f.write_all(&(t.len() as u32).to_le_bytes()).unwrap();
            f.write_all(t.as_bytes()).unwrap();
            for x in v {
                f.write_all(&x.to_le_bytes()).unwrap();
            }
        }
    }
}
impl Embedder for Cached {
    fn model(&self) -> &ModelInfo {
        self.inner.model()
    }
    fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, IndexError> {
        let missing: Vec<String> = { let m = self.map.lock().unwrap(); texts.iter().filter(|t| !m.contains_key(*t)).cloned().collect() };
        let new = self.inner.embed_passages(&missing)?;
        let mut m = self.map.lock().unwrap();
        for (t, v) in missing.into_iter().zip(new) { m.insert(t, v); }
        Ok(texts.iter().map(|t| m[t].clone()).collect())
    }
    fn embed_query(&self, t: &str) -> Result<Vec<f32>, IndexError> {
        self.inner.embed_query(t)
    }
}

fn ndcg(hits: &[String], rel: &HashMap<String, f64>) -> f64 {
    let dcg: f64 = hits.iter().take(10).enumerate().map(|(i, d)| rel.get(d).copied().unwrap_or(0.0) / ((i + 2) as f64).log2()).sum();
    let mut ideal: Vec<f64> = rel.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let idcg: f64 = ideal.iter().take(10).enumerate().map(|(i, r)| r / ((i + 2) as f64).log2()).sum();
    if idcg > 0.0 { dcg / idcg } else { 0.0 }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).map(String::as_str) == Some("bench") { return bench(args[2].parse().unwrap()).await; }
    let models = std::path::PathBuf::from(std::env::var("HOME").unwrap()).join(".local/share/lectern/models");
    let t = Instant::now();
    let emb = FastEmbedder::load(&EmbeddingSettings { models_dir: models, runtime_library: None, model: "all-MiniLM-L6-v2".into(), threads: 2 }).unwrap();
    println!("load {:?}", t.elapsed());
    let emb = Arc::new(Cached::new(emb, "/tmp/idx_embcache.bin"));
    let mut dump = std::fs::File::create("/tmp/idx_dump.jsonl").unwrap();
    for (name, qrels) in [("scifact", "train"), ("cranfield", "test"), ("cacm", "test")] {
        if args.len() > 1 && !args[1..].contains(&name.to_string()) { continue; }
        let base = format!("/work/shared/retrieval/{name}");
        let lines = |f: &str| -> Vec<serde_json::Value> { std::fs::read_to_string(format!("{base}/{f}")).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect() };
        let dir = tempfile::tempdir().unwrap();
        let settings = IndexSettings { dir: dir.path().into() };
        let store = EdgeStore::open(&settings.dense_dir(), 384).unwrap();
        let idx = HybridIndex::open(settings, Some(Arc::new(store)), Some(emb.clone())).unwrap();
        let mut back = HashMap::new();
        let mut batch = vec![];
        for d in lines("corpus.jsonl") {
            let id = d["_id"].as_str().unwrap();
            let pid = PaperId::derive(&format!("local:{id}"));
            let mut title = d["title"].as_str().unwrap_or("").to_string();
            if title.trim().is_empty() { title = "untitled".into(); }
            let mut p = Paper::new(title, SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
            p.abstract_text = d["text"].as_str().map(str::to_owned).filter(|t| !t.trim().is_empty());
            back.insert(pid, id.to_string());
            batch.push(IndexedPaper { id: pid, revision: 1, paper: Some(p) });
        }
        let t = Instant::now();
        let mut e = Duration::ZERO;
        let n = batch.len();
        for (i, c) in batch.chunks(256).enumerate() {
            e += idx.write(c.to_vec(), i as u64 + 1).await.unwrap().embedding;
        }
        println!("{name}: wrote {n} in {:?}, embedding {:?}", t.elapsed(), e);
        emb.save();
        let t = Instant::now();
        idx.optimize().await.unwrap();
        println!("optimize {:?}", t.elapsed());
        let mut rels: BTreeMap<String, HashMap<String, f64>> = BTreeMap::new();
        for l in std::fs::read_to_string(format!("{base}/qrels/{qrels}.tsv")).unwrap().lines().skip(1) {
            let f: Vec<&str> = l.split('\t').collect();
            rels.entry(f[0].into()).or_default().insert(f[1].into(), f[2].parse().unwrap());
        }
        let queries: HashMap<String, String> = lines("queries.jsonl").iter().map(|q| (q["_id"].as_str().unwrap().to_string(), q["text"].as_str().unwrap().to_string())).collect();
        for mode in Mode::ALL {
            let mut s = vec![];
            let mut lat = vec![];
            for (q, rel) in &rels {
                if !rel.values().any(|r| *r > 0.0) { continue; }
                let Some(text) = queries.get(q) else { continue };
                let t = Instant::now();
                let r = idx.search(SearchQuery { text: text.clone(), mode, filter: Filter::default(), limit: if mode == Mode::Hybrid { 400 } else { 10 }, offset: 0 }).await.unwrap();
                lat.push(t.elapsed());
                let ids: Vec<String> = r.hits.iter().map(|h| back[&h.paper].clone()).collect();
                s.push(ndcg(&ids, rel));
                if mode == Mode::Hybrid {
                    let c: Vec<_> = r.hits.iter().map(|h| serde_json::json!([back[&h.paper], h.scores.lexical, h.scores.dense, rel.get(&back[&h.paper]).copied().unwrap_or(0.0)])).collect();
                    let all: Vec<f64> = rel.values().copied().collect();
                    writeln!(dump, "{}", serde_json::json!({"set": name, "q": q, "rel": all, "c": c})).unwrap();
                }
            }
            lat.sort();
            println!("{name} {mode}: ndcg@10 {:.4} n={} p50 {:?} p99 {:?}", s.iter().sum::<f64>() / s.len() as f64, s.len(), lat[lat.len() / 2], lat[lat.len() * 99 / 100]);
        }
    }
}

struct Random;
static INFO: OnceLock<ModelInfo> = OnceLock::new();
fn random(text: &str) -> Vec<f32> {
    let mut x = text.bytes().fold(0xcbf29ce484222325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100000001b3)) | 1;
    let v: Vec<f32> = (0..384).map(|_| { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 }).collect();
    let n = v.iter().map(|a| a * a).sum::<f32>().sqrt();
    v.into_iter().map(|a| a / n).collect()
}
impl Embedder for Random {
    fn model(&self) -> &ModelInfo { INFO.get_or_init(|| ModelInfo { name: "random".into(), dimension: 384, max_tokens: 1 }) }
    fn embed_passages(&self, t: &[String]) -> Result<Vec<Vec<f32>>, IndexError> { Ok(t.iter().map(|t| random(t)).collect()) }
    fn embed_query(&self, t: &str) -> Result<Vec<f32>, IndexError> { Ok(random(t)) }
}
async fn bench(n: usize) {
    let f = std::process::Command::new("zcat").arg("/work/shared/corpus/papers-100k.jsonl.gz").output().unwrap().stdout;
    let text = String::from_utf8(f).unwrap();
    let docs: Vec<serde_json::Value> = text.lines().take(n + 500).map(|l| serde_json::from_str(l).unwrap()).collect();
    println!("{}", docs[0]);
    let dir = tempfile::tempdir().unwrap();
    let settings = IndexSettings { dir: dir.path().into() };
    let store = EdgeStore::open(&settings.dense_dir(), 384).unwrap();
    let idx = HybridIndex::open(settings, Some(Arc::new(store)), Some(Arc::new(Random))).unwrap();
    let batch: Vec<IndexedPaper> = docs.iter().take(n).enumerate().map(|(i, d)| {
        let mut p = Paper::new(d["title"].as_str().unwrap_or("none"), SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
        p.abstract_text = d["abstract"].as_str().map(str::to_owned);
        p.year = d["year"].as_i64().map(|y| y as i16);
        p.venue = d["venue"].as_str().map(str::to_owned);
        if let Some(a) = d["authors"].as_array() { p.authors = a.iter().filter_map(|a| a.as_str().or(a["name"].as_str())).map(Author::named).collect(); }
        IndexedPaper { id: PaperId::derive(&format!("b:{i}")), revision: i as u64, paper: Some(p) }
    }).collect();
    let t = Instant::now();
    let mut e = Duration::ZERO;
    for (i, c) in batch.chunks(256).enumerate() { e += idx.write(c.to_vec(), i as u64 + 1).await.unwrap().embedding; }
    println!("wrote {n} in {:?}, of it embedding {e:?}", t.elapsed());
    for round in 0..2 {
        for mode in Mode::ALL {
            let mut lat = vec![];
            for d in &docs[n..] {
                let t = Instant::now();
                let mut q = SearchQuery::new(d["title"].as_str().unwrap_or("x"));
                q.mode = mode;
                idx.search(q).await.unwrap();
                lat.push(t.elapsed());
            }
            lat.sort();
            println!("round {round} {mode} p50 {:?} p99 {:?}", lat[lat.len() / 2], lat[lat.len() * 99 / 100]);
        }
        if round == 0 {
            let t = Instant::now();
            idx.optimize().await.unwrap();
            println!("optimize {:?} {:?}", t.elapsed(), idx.stats().await.unwrap());
        }
    }
    let mut q = SearchQuery::new("neural networks for translation");
    q.filter.authors = vec!["zhang".into()];
    let t = Instant::now();
    let r = idx.search(q).await.unwrap();
    println!("filtered {:?} {}", t.elapsed(), r.total);
}
