//! Who may ask: only browsers and programs on this machine, and for changes only our own pages.
//!
//! Being on loopback is not enough. A page from elsewhere, open in the same browser, can send requests
//! here, and with a name that it lets point to 127.0.0.1 it could even read the answers.
//!
//! **Invariant:** every response passes here and carries the same headers; no page of ours holds a
//! script or style of its own or from elsewhere.

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::Refused;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// Refuses what must not come in, and marks what goes out.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(&request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let marks: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in marks {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(request: &Request) -> Option<Refused> {
    let headers = request.headers();
    let host = single(headers, &header::HOST);
    if !host.is_some_and(names_this_machine) {
        let why = "This page is for this machine only. Ask for it as http://127.0.0.1 or http://localhost.";
        return Some(Refused::new(StatusCode::MISDIRECTED_REQUEST, why));
    }
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_reads && comes_from_elsewhere(headers, host.unwrap_or_default()) {
        return Some(Refused::new(StatusCode::FORBIDDEN, "This was sent by a page from elsewhere."));
    }
    None
}

/// Whether a `Host` names this machine, with or without a port.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let is_loopback = name.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
    is_loopback || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

/// Whether the browser says that a page of another origin sent this. Programs say neither.
fn comes_from_elsewhere(headers: &HeaderMap, host: &str) -> bool {
    let site = single(headers, &HeaderName::from_static("sec-fetch-site"));
    let origin = single(headers, &header::ORIGIN);
    let site_is_foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin_is_foreign = origin.is_some_and(|origin| {
        origin.strip_prefix("http://").is_none_or(|origin| !origin.eq_ignore_ascii_case(host))
    });
    site_is_foreign || origin_is_foreign
}

/// The header's value. One that is there twice or cannot be read is as bad as a wrong one.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(if values.next().is_some() { "" } else { first.to_str().unwrap_or("") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_served() {
        let rows = [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("127.1.2.3:1", true),
            ("", false),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("192.168.1.2", false),
            ("localhost:evil.example", false),
            ("127.0.0.1@evil.example", false),
        ];
        for (host, wanted) in rows {
            assert_eq!(names_this_machine(host), wanted, "{host:?}");
        }
    }

    #[test]
    fn pages_from_elsewhere_change_nothing() {
        type Given = &'static [(&'static str, &'static str)];
        let rows: [(&str, Given, bool); 9] = [
            ("a program", &[], false),
            ("our page", &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:1")], false),
            ("typed by the user", &[("sec-fetch-site", "none")], false),
            ("another site", &[("sec-fetch-site", "cross-site")], true),
            ("another port", &[("sec-fetch-site", "same-site")], true),
            ("an old browser", &[("origin", "http://evil.example")], true),
            ("another port's page", &[("origin", "http://localhost:2")], true),
            ("a page without an origin", &[("origin", "null")], true),
            ("two origins", &[("origin", "http://localhost:1"), ("origin", "http://evil.example")], true),
        ];
        for (name, given, wanted) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(comes_from_elsewhere(&headers, "localhost:1"), wanted, "{name}");
        }
    }
}
