use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

fn load(environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    if let Some(text) = file {
        std::fs::write(home.path().join("lectern.toml"), text).unwrap();
    }
    Config::load(Some(home.path()), None, &Environment::of(environment), &[])
}

fn origin_of(config: &Config, name: &str) -> String {
    let shown = config.shown();
    let (_, value, origin) = shown.iter().find(|(n, ..)| n == name).unwrap();
    format!("{value} from {origin}")
}

#[test]
fn each_layer_goes_over_the_one_before_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("lectern.toml");
    std::fs::write(&path, "[server]\naddr = \"127.0.0.1:1\"\nmax_in_flight = 9\n[log]\nlevel = \"warn\"\n").unwrap();
    let environment = Environment::of(&[("LECTERN__SERVER__ADDR", "127.0.0.1:2"), ("LECTERN__LOG__LEVEL", "debug")]);
    let flags = [("server.addr", "127.0.0.1:3".to_owned(), "--addr")];
    let config = Config::load(Some(home.path()), None, &environment, &flags).unwrap();
    assert_eq!(config.settings.server.addr, "127.0.0.1:3");
    assert_eq!(origin_of(&config, "server.addr"), "\"127.0.0.1:3\" from flag --addr");
    assert_eq!(origin_of(&config, "log.level"), "\"debug\" from environment LECTERN__LOG__LEVEL");
    assert_eq!(origin_of(&config, "server.max_in_flight"), format!("9 from file {}", path.display()));
    assert_eq!(origin_of(&config, "index.dense"), "\"edge\" from default");
}

#[test]
fn an_unknown_setting_names_the_nearest_one() {
    let error = load(&[], Some("[server]\nadress = \"x\"\n")).unwrap_err().to_string();
    assert!(error.starts_with("unknown setting `server.adress` (file "), "{error}");
    assert!(error.ends_with("did you mean `server.addr`?"), "{error}");
    let error = load(&[("LECTERN__SOURCES__ARXIV__BASEURL", "http://x")], None).unwrap_err().to_string();
    assert!(error.contains("did you mean `sources.arxiv.base_url`?"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_says_what_is_expected() {
    let wrong = [
        (("LECTERN__SERVER__MAX_IN_FLIGHT", "many"), "`server.max_in_flight` must be a whole number"),
        (("LECTERN__SERVER__ADDR", "here"), "`server.addr` is `here`, but must be an address and a port"),
        (("LECTERN__SOURCES__ARXIV__BASE_URL", "arxiv.org"), "must be an address that begins with http://"),
        (("LECTERN__STORE__URL", "mysql:x"), "`store.url` is `mysql:x`"),
        (("LECTERN__STORE__URL", "sqlite:x.db?mode=ro"), "must be sqlite:PATH without options (no `?`, no :memory:)"),
        (("LECTERN__STORE__URL", "sqlite::memory:"), "must be sqlite:PATH without options (no `?`, no :memory:)"),
        (("LECTERN__SERVER__MAX_IN_FLIGHT", "0"), "must be more than 0"),
        (
            ("LECTERN__SERVER__ALLOWED_HOSTS", "a.org, https://b.org"),
            "`server.allowed_hosts` is `https://b.org`, but must be",
        ),
        (("LECTERN__SERVER__ALLOWED_HOSTS", "a.org:8080"), "without a port"),
        (("LECTERN__SERVER__MAX_IMPORTS", "0"), "must be more than 0"),
        (("LECTERN__INDEX__DENSE", "faiss"), "unknown variant `faiss`, expected `edge` or `qdrant`"),
    ];
    for (variable, message) in wrong {
        let error = load(&[variable], None).unwrap_err().to_string();
        assert!(error.contains(message), "{variable:?}: {error}");
    }
    assert!(load(&[], Some("[server]\naddr = 8080\n")).unwrap_err().to_string().contains("a text in quotes"));
    assert!(load(&[], Some("[server\n")).unwrap_err().to_string().contains("lectern.toml cannot be used, line 1: "));
}

#[test]
fn a_list_is_read_from_a_file_and_from_the_environment() {
    let hosts = |config: Config| config.settings.server.allowed_hosts;
    let file = "[server]\nallowed_hosts = [\"a.org\", \"b.org\"]\n";
    assert_eq!(hosts(load(&[], Some(file)).unwrap()), ["a.org", "b.org"]);
    assert_eq!(
        hosts(load(&[("LECTERN__SERVER__ALLOWED_HOSTS", " c.org,d.org,")], Some(file)).unwrap()),
        ["c.org", "d.org"]
    );
    for wrong in ["\"a.org\"", "[7]"] {
        let error = load(&[], Some(&format!("[server]\nallowed_hosts = {wrong}\n"))).unwrap_err().to_string();
        assert!(error.starts_with("`server.allowed_hosts` must be a list of texts in quotes"), "{error}");
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("nowhere.toml");
    let error = Config::load(Some(home.path()), Some(Path::new(&missing)), &Environment::default(), &[]).unwrap_err();
    assert!(error.to_string().starts_with("cannot read the configuration file"), "{error}");
}

#[test]
fn keys_come_from_plain_names_and_are_never_shown() {
    let config = load(&[("DEEPSEEK_API_KEY", "sk-planted-1234")], None).unwrap();
    assert_eq!(config.settings.llm.deepseek.api_key.expose_secret(), "sk-planted-1234");
    assert_eq!(origin_of(&config, "llm.deepseek.api_key"), "\"(set, not shown)\" from environment DEEPSEEK_API_KEY");
    assert_eq!(origin_of(&config, "llm.openai.api_key"), "\"\" from default");
    assert!(!format!("{:?}", config.settings).contains("planted"));
    assert!(!format!("{:?}", config.shown()).contains("planted"));
}

#[test]
fn the_full_name_wins_over_the_plain_one() {
    let both = [("DEEPSEEK_API_KEY", "plain"), ("LECTERN__LLM__DEEPSEEK__API_KEY", "full")];
    assert_eq!(load(&both, None).unwrap().settings.llm.deepseek.api_key.expose_secret(), "full");
}

#[test]
fn a_file_that_is_not_toml_is_told_without_any_of_its_words() {
    let error = load(&[], Some("[llm.deepseek]\napi_key = \"sk-planted-1234\n")).unwrap_err();
    assert!(error.to_string().contains("cannot be used, line 2: "), "{error}");
    assert!(!format!("{error} {error:?}").contains("planted"));
}

#[test]
fn the_address_of_a_database_is_read_as_other_programs_read_it() {
    for (url, file) in [
        ("", None),
        ("sqlite:", None),
        ("sqlite:papers/library.db", Some("papers/library.db")),
        ("sqlite://papers/library.db", Some("papers/library.db")),
        ("sqlite:/srv/library.db", Some("/srv/library.db")),
        ("sqlite:///srv/library.db", Some("/srv/library.db")),
        ("sqlite:////srv/library.db", Some("/srv/library.db")),
    ] {
        let config = load(&[("LECTERN__STORE__URL", url)], None).unwrap();
        let read = config.settings.store.file().map(|path| path.display().to_string());
        assert_eq!(read.as_deref(), file, "{url}");
    }
}
