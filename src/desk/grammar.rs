//! How handles, lists, hashtags and web addresses are spelled, as X publishes it.
//!
//! Hashtags are spelled so on the other networks as well.
//!
//! **Invariant:** whether an account, a page or the ending of a host name exists is not known here.

use std::sync::LazyLock;

use regex::Regex;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is part of the program")
}

/// The name of an account. New ones have at most 15 characters, old ones up to 20.
static HANDLE: LazyLock<Regex> = LazyLock::new(|| pattern("^[A-Za-z0-9_]{1,20}$"));

/// A list of accounts, under the account it belongs to.
static LIST: LazyLock<Regex> = LazyLock::new(|| pattern("^[A-Za-z0-9_]{1,20}/[A-Za-z][A-Za-z0-9_-]{0,24}$"));

/// Letters of any script with their marks, digits and `_`, at least one letter among them.
static HASHTAG: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[\p{L}\p{M}\p{Nd}_]*[\p{L}\p{M}][\p{L}\p{M}\p{Nd}_]*$"));

/// A host's name: perhaps subdomains, which may hold `_`, then a domain and its ending.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    let sign = r"\p{L}\p{M}\p{N}\p{So}";
    let label = |inside: &str| format!("[{sign}](?:[{sign}{inside}-]*[{sign}])?");
    pattern(&format!(r"^(?:{}\.)*{}\.\p{{L}}(?:[{sign}-]*[{sign}])$", label("_"), label("")))
});

/// A whole web address, taken apart: scheme, who logs in, host, port, path, query, fragment.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let plain = r"[\p{Cyrillic}A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2}";
    let wide = format!(r"(?:{plain}|[@/?|])*");
    pattern(&format!(
        r"^(?P<scheme>(?i:https?)://)?(?:(?:{plain})*@)?(?P<host>\[[^\]]*\]|[^\[\]/?#@:\s]+)(?::[0-9]{{1,5}})?(?:/(?:{plain}|[@/|])*)?(?:\?{wide})?(?:#{wide})?$"
    ))
});

/// Whether this can be somebody's handle on X, written without `@`.
pub fn is_handle(text: &str) -> bool {
    HANDLE.is_match(text)
}

/// Whether this can be a list of accounts on X, `handle/list`, written without `@`.
pub fn is_list(text: &str) -> bool {
    LIST.is_match(text)
}

/// Whether this can be a hashtag, written without `#`.
pub fn is_hashtag(text: &str) -> bool {
    HASHTAG.is_match(text)
}

/// Whether this can be the name of a host: `lib.example.org`.
pub fn is_host(text: &str) -> bool {
    HOST.is_match(text)
}

/// Whether all of this can be one web address. Without a scheme only names of hosts are taken for one,
/// because four numbers may be anything.
pub fn is_address(text: &str) -> bool {
    let Some(parts) = ADDRESS.captures(text) else { return false };
    let host = parts.name("host").map_or("", |host| host.as_str());
    is_host(host) || (parts.name("scheme").is_some() && is_numbered(host))
}

/// Whether this can be a host's number: four of up to 255, or hexadecimal groups in brackets.
fn is_numbered(host: &str) -> bool {
    if let Some(groups) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let is_group = |group: &str| group.len() <= 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        return (3..=8).contains(&groups.split(':').count()) && groups.split(':').all(is_group);
    }
    let is_byte = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
    host.split('.').count() == 4 && host.split('.').all(is_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_well() {
        type Rule = fn(&str) -> bool;
        let rows: [(&str, Rule, &[&str], &[&str]); 5] = [
            (
                "handle",
                is_handle,
                &["nina", "_", "12345", "Nina_Reader_2026"],
                &["", "@nina", "nina ", "nina-reader", "nina.example", "zoë", "twenty_one_characters"],
            ),
            (
                "list",
                is_list,
                &["nina/librarians", "nina/a-b_3"],
                &["nina", "nina/", "/librarians", "nina/3rd", "nina/a/b", " nina/a"],
            ),
            (
                "hashtag",
                is_hashtag,
                &["AskALibrarian", "1st", "помощь", "図書館", "पुस्तकालय", "हिन्दी", "a_b"],
                &["", "2026", "ask a", "ask-a", "#ask", "_", "a!"],
            ),
            (
                "host",
                is_host,
                &["lib.example", "a_b.lib.example", "bücher.example", "☃.net", "例え.テスト"],
                &[
                    "lib",
                    "lib.",
                    ".example",
                    "-a.example",
                    "a-.example",
                    "a_b.example",
                    "a.b1_",
                    "1.2",
                    "a..b",
                ],
            ),
            (
                "address",
                is_address,
                &[
                    "https://lib.example.org/a?b=c#d",
                    "lib.example.org:8080/",
                    "http://ann@lib.example/",
                    "http://10.0.0.1/x",
                    "http://[::1]:80",
                    "http://[2001:db8::7]/",
                    "https://lib.example/Книга_(1)",
                ],
                &[
                    "",
                    "https://",
                    "10.0.0.1",
                    "http://10.0.0.256",
                    "http://[::g]",
                    "http://[7]",
                    "http://10.0.1",
                    "mailto://lib.example",
                    "https://lib.example/a b",
                    "https://lib.example/\"a\"",
                    "https://lib.example/%zz",
                    "https://lib.example:port/",
                ],
            ),
        ];
        for (name, is_well, well, badly) in rows {
            for text in well {
                assert!(is_well(text), "a {name}: {text:?}");
            }
            for text in badly {
                assert!(!is_well(text), "no {name}: {text:?}");
            }
        }
    }
}
