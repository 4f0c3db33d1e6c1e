//! Who may ask: neither a page of another origin, nor one that has made a name of its own lead here.
//!
//! A browser sends some requests to other origins without asking first, and lets a page whose name has come to lead to
//! this address read the answers (DNS rebinding). It names both, the page and the host, and no page can change that.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use super::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Beside it stands the secret from the lock file: the request is a command of the operator's.
pub(crate) const OPERATOR: HeaderName = HeaderName::from_static("x-lectern-operator");

/// By which names the server is asked.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// Beside addresses and `localhost`.
    named: Vec<String>,
    any: bool,
}

impl Hosts {
    /// On a loopback address the names that the operator gave; elsewhere any, unless some were given.
    pub(super) fn new(named: &[String], on_loopback: bool) -> Self {
        Self { named: named.to_vec(), any: named.is_empty() && !on_loopback }
    }

    fn is_own(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.any
            || address.is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.named.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// Refuses what a page elsewhere may have sent.
    ///
    /// # Errors
    /// 421 for a host that is not this server, 403 for a change that another origin asks for.
    pub(super) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let asked = asked_at(uri, headers);
        if let Some(foreign) = asked.iter().find(|host| !self.is_own(name_of(host).as_deref().unwrap_or_default())) {
            return Err(ApiError::misdirected(foreign));
        }
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let site = text(headers, &SEC_FETCH_SITE).unwrap_or_default();
        let own = |origin: &str| {
            let place = origin.split_once("://").map(|(_, place)| place);
            place.is_some_and(|place| asked.iter().any(|host| host.eq_ignore_ascii_case(place)))
        };
        let foreign = text(headers, &header::ORIGIN).filter(|origin| !own(origin));
        match (foreign, site) {
            (Some(origin), _) => Err(ApiError::foreign_origin(origin)),
            (None, "cross-site" | "same-site") => Err(ApiError::foreign_origin("another site")),
            _ => Ok(()),
        }
    }
}

/// The hosts that a request names, with their ports. No browser leaves its host out.
fn asked_at<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Vec<&'r str> {
    // What is no text is no host of ours either.
    let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    uri.authority().map(Authority::as_str).into_iter().chain(named).collect()
}

/// A host without its port.
fn name_of(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    (!authority.as_str().contains('@')).then(|| authority.host().to_owned())
}

fn text<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether the request comes from a command of the operator's, which knows the secret from the lock file.
pub(super) fn is_operator(headers: &HeaderMap, secret: &str) -> bool {
    let told = headers.get(OPERATOR).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    // As long for a wrong one as for the right one.
    let differ = told.iter().zip(secret.as_bytes()).fold(0, |differ, (told, right)| differ | (told ^ right));
    told.len() == secret.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(hosts: &Hosts, host: &str) -> bool {
        let headers = [(header::HOST, host.parse().unwrap())].into_iter().collect();
        hosts.admit(&Method::GET, &Uri::from_static("/"), &headers).is_ok()
    }

    #[test]
    fn on_loopback_only_own_names_hold_and_elsewhere_any_unless_some_are_given() {
        let named = ["lectern.example.org".to_owned()];
        let own = ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "192.0.2.7"];
        let foreign = ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "", "?"];
        for hosts in [Hosts::new(&[], true), Hosts::new(&named, true), Hosts::new(&named, false)] {
            assert!(own.iter().all(|host| admits(&hosts, host)), "{hosts:?}");
            assert!(foreign.iter().all(|host| !admits(&hosts, host)), "{hosts:?}");
            assert_eq!(admits(&hosts, "Lectern.example.org:443"), !hosts.named.is_empty());
        }
        assert!(admits(&Hosts::new(&[], false), "anything.example"));
    }

    #[test]
    fn every_host_that_is_named_must_be_own() {
        let hosts = Hosts::new(&[], true);
        let headers: HeaderMap = [(header::HOST, "localhost".parse().unwrap())].into_iter().collect();
        let uri = Uri::from_static("http://evil.example/v1/stats");
        assert_eq!(hosts.admit(&Method::GET, &uri, &headers).unwrap_err().problem().status, 421);
        assert!(hosts.admit(&Method::GET, &Uri::from_static("/"), &HeaderMap::new()).is_ok(), "HTTP/1.0");
    }

    proptest! {
        #[test]
        fn only_the_secret_is_the_secret(secret in "[0-9a-f]{32}", told in "[0-9a-f]{0,40}") {
            let with = |told: &str| [(OPERATOR, told.parse().unwrap())].into_iter().collect::<HeaderMap>();
            prop_assert!(is_operator(&with(&secret), &secret) && !is_operator(&HeaderMap::new(), &secret));
            prop_assert_eq!(is_operator(&with(&told), &secret), told == secret);
        }
    }
}
