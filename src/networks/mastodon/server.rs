//! Which kind of server this is, and what it does differently.
//!
//! Many servers speak the Mastodon API, each as far as it goes. What one says of itself tells which it
//! is; what that means for the desk is written here, in one table ([`Server::lacks`]).
//!
//! **Invariant:** a server that is not known is trusted with nothing that could make a post appear twice.

use serde_json::Value;

use crate::desk::post::{Network, TextLimits, Visibility};

/// The longest name or version that is read, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Bounds for what a server says about lengths: below, no letter would fit; above, it is a mistake.
const GRAPHEMES: std::ops::RangeInclusive<u64> = 140..=100_000;
const LINK_GRAPHEMES: std::ops::RangeInclusive<u64> = 0..=100;

/// The programs that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Mastodon,
    GoToSocial,
    Mitra,
    /// Pleroma and Akkoma.
    Pleroma,
    Snac,
    Unknown,
}

impl Family {
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Mastodon => "Mastodon",
            Family::GoToSocial => "GoToSocial",
            Family::Mitra => "Mitra",
            Family::Pleroma => "Pleroma or Akkoma",
            Family::Snac => "snac",
            Family::Unknown => "a server of a kind that is not known here",
        }
    }
}

/// A server as it describes itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    pub(super) family: Family,
    /// Major and minor number, where it is Mastodon.
    release: Option<(u32, u32)>,
    /// What follows the `@` in the handles of its own accounts, where it says so.
    pub(super) domain: Option<String>,
    pub(super) limits: TextLimits,
    /// Where it tells news at once.
    pub(super) streaming: Option<String>,
}

/// Something that this server does not do, and what the desk does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) what: &'static str,
    pub(super) found: &'static str,
    pub(super) instead: &'static str,
}

impl Server {
    /// Reads what `/api/v2/instance` or `/api/v1/instance` answers.
    pub(super) fn read(instance: &Value) -> Server {
        let text = |pointer: &str| {
            let text = instance.pointer(pointer)?.as_str()?.trim();
            (!text.is_empty() && text.len() <= NAME_BYTES_MAX).then(|| text.to_owned())
        };
        let version = text("/version").unwrap_or_default();
        let says = format!("{version} {}", text("/source_url").unwrap_or_default()).to_lowercase();
        let release = release(&version);
        let family = [
            ("gotosocial", Family::GoToSocial),
            ("mitra", Family::Mitra),
            ("akkoma", Family::Pleroma),
            ("pleroma", Family::Pleroma),
            ("snac", Family::Snac),
        ];
        let named = family.into_iter().find(|(name, _)| says.contains(name)).map(|(_, family)| family);
        let is_mastodon = release.is_some_and(|(major, _)| major >= 3) && !version.contains('(');
        let family = named.unwrap_or(if is_mastodon { Family::Mastodon } else { Family::Unknown });
        let number = |pointers: &[&str], bounds: std::ops::RangeInclusive<u64>| {
            let found = pointers.iter().find_map(|pointer| instance.pointer(pointer)?.as_u64());
            found.filter(|number| bounds.contains(number)).and_then(|number| usize::try_from(number).ok())
        };
        let usual = Network::Mastodon.limits(Visibility::Public);
        let graphemes = number(&["/configuration/statuses/max_characters", "/max_toot_chars"], GRAPHEMES);
        let link = number(&["/configuration/statuses/characters_reserved_per_url"], LINK_GRAPHEMES);
        let domain = text("/account_domain").or_else(|| text("/domain")).or_else(|| text("/uri"));
        let bare = |domain: String| {
            let host = domain.rsplit("://").next().unwrap_or_default();
            host.trim_end_matches('/').to_lowercase()
        };
        Server {
            family,
            release: release.filter(|_| family == Family::Mastodon),
            domain: domain.map(bare).filter(|domain| !domain.is_empty() && !domain.contains('/')),
            limits: TextLimits {
                graphemes_max: graphemes.unwrap_or(usual.graphemes_max),
                bytes_max: graphemes.unwrap_or(usual.graphemes_max).saturating_mul(40),
                link_graphemes_min: link.unwrap_or(usual.link_graphemes_min),
            },
            streaming: text("/configuration/urls/streaming").or_else(|| text("/urls/streaming_api")),
        }
    }

    /// Whether a post that is sent twice under one key appears once.
    pub(super) fn honours_keys(&self) -> bool {
        matches!(self.family, Family::Mastodon | Family::Mitra)
    }

    /// Whether it refuses a post that would mention somebody who is not named beside it.
    pub(super) fn honours_allowed_mentions(&self) -> bool {
        self.family == Family::Mastodon
    }

    /// Whether notifications can be read from an id on, page by page, without a gap.
    pub(super) fn reads_forward(&self) -> bool {
        matches!(self.family, Family::Mastodon | Family::GoToSocial | Family::Pleroma)
    }

    /// Whether strangers' private mentions may be hidden from the account.
    pub(super) fn has_policy(&self) -> bool {
        self.release.is_some_and(|release| (4, 3) <= release)
    }

    /// Whether it may tell news at once.
    pub(super) fn streams(&self) -> bool {
        !matches!(self.family, Family::Mitra | Family::Snac)
    }

    /// Whether a post has to say that it is plain text.
    pub(super) fn wants_content_type(&self) -> bool {
        matches!(self.family, Family::GoToSocial | Family::Pleroma)
    }

    /// Whether it may say that it took a post and keep nothing of it.
    pub(super) fn may_swallow_posts(&self) -> bool {
        self.family == Family::Mastodon
    }

    /// The visibility to ask for, so that the post is no wider than it may be. `None` where this server
    /// keeps nothing private enough.
    pub(super) fn kept(&self, visibility: Visibility) -> Option<Visibility> {
        match (self.family, visibility) {
            (Family::Snac, Visibility::Direct | Visibility::Followers) => None,
            (Family::Mitra, Visibility::Unlisted) => Some(Visibility::Direct),
            (_, visibility) => Some(visibility),
        }
    }

    /// What the desk has to do without.
    pub(super) fn lacks(&self) -> Vec<Lack> {
        let mut lacks = Vec::new();
        let mut lack = |is: bool, what, found, instead| {
            if is {
                lacks.push(Lack { what, found, instead });
            }
        };
        lack(
            self.family == Family::Unknown,
            "kind",
            "this kind of server is not known",
            "nothing is taken for granted: posts are looked for before they are repeated, news is polled for",
        );
        lack(
            !self.honours_keys(),
            "repeats",
            "keys against double posts are not honoured",
            "after an unclear answer the desk waits two minutes, looks for the post, and only then repeats it",
        );
        lack(
            !self.honours_allowed_mentions(),
            "mentions",
            "a post cannot be limited to the mentions it names",
            "every other @ is made harmless, and the mentions of each post are checked after sending",
        );
        lack(
            !self.streams() || self.streaming.is_none(),
            "news",
            "the server does not tell news at once",
            "the desk asks every few seconds",
        );
        lack(
            !self.reads_forward(),
            "catching up",
            "notifications cannot be read forward from a point",
            "the desk reads back from the newest to what it knows",
        );
        lack(
            !self.has_policy(),
            "strangers",
            "there is no policy for notifications",
            "nothing is filtered here as far as is known, so nothing has to be set",
        );
        lack(
            self.family == Family::Mitra,
            "unlisted",
            "unlisted posts are kept as public ones",
            "what is to be unlisted is sent directly to the person instead",
        );
        lack(
            self.family == Family::Snac,
            "private",
            "direct posts can be read by others on the server",
            "the desk writes nothing private here; such letters are refused and shown to the coordinator",
        );
        lacks
    }
}

/// The numbers at the beginning of a version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|sign: char| !sign.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(version: &str) -> Server {
        Server::read(&json!({"version": version}))
    }

    #[test]
    fn servers_are_told_by_what_they_say_of_themselves() {
        let rows = [
            ("4.3.0", Family::Mastodon, true, true),
            ("4.6.1", Family::Mastodon, true, true),
            ("4.5.0-beta.1+glitch", Family::Mastodon, true, true),
            ("4.2.10", Family::Mastodon, true, false),
            ("0.20.0+git-1234", Family::Unknown, false, false),
            ("0.20.0 (compatible; GoToSocial)", Family::GoToSocial, false, false),
            ("4.0.0 (compatible; Mitra 5.9.0)", Family::Mitra, true, false),
            ("2.7.2 (compatible; Akkoma 3.15.2)", Family::Pleroma, false, false),
            ("2.7.2 (compatible; Pleroma 2.9.1)", Family::Pleroma, false, false),
            ("4.0.0 (not true; really snac 2.94)", Family::Snac, false, false),
            ("4.2.1 (compatible; Iceshrimp 2023.12)", Family::Unknown, false, false),
            ("", Family::Unknown, false, false),
            ("vier", Family::Unknown, false, false),
        ];
        for (version, family, keys, policy) in rows {
            let server = server(version);
            assert_eq!(
                (server.family, server.honours_keys(), server.has_policy()),
                (family, keys, policy),
                "{version}"
            );
        }
        let source = json!({"version": "0.20.0", "source_url": "https://codeberg.example/gotosocial"});
        assert_eq!(Server::read(&source).family, Family::GoToSocial);
    }

    #[test]
    fn lengths_are_the_servers_own_within_reason() {
        let read = |max: Value, url: Value| {
            let statuses = json!({"max_characters": max, "characters_reserved_per_url": url});
            let limits = Server::read(&json!({"configuration": {"statuses": statuses}})).limits;
            (limits.graphemes_max, limits.link_graphemes_min)
        };
        assert_eq!(read(json!(5_000), json!(25)), (5_000, 25));
        assert_eq!(read(json!(3), json!(1_000_000)), (500, 23));
        assert_eq!(read(json!("500"), json!(null)), (500, 23));
        assert_eq!(Server::read(&json!({"max_toot_chars": 3_000})).limits.graphemes_max, 3_000);
        assert_eq!(Server::read(&json!([])).family, Family::Unknown);
    }

    #[test]
    fn domains_are_read_in_any_dress() {
        for (instance, want) in [
            (json!({"domain": "Lib.example"}), Some("lib.example")),
            (json!({"uri": "https://lib.example/"}), Some("lib.example")),
            (json!({"uri": "lib.example"}), Some("lib.example")),
            (json!({"account_domain": "lib.example", "domain": "social.lib.example"}), Some("lib.example")),
            (json!({"uri": ""}), None),
        ] {
            assert_eq!(Server::read(&instance).domain.as_deref(), want, "{instance}");
        }
    }

    /// Promise 1, never wider: what a server does not keep is asked for more narrowly or not at all.
    #[test]
    fn visibilities_are_asked_for_as_the_server_keeps_them() {
        use Visibility::{Direct, Followers, Public, Unlisted};
        for wanted in [Direct, Followers, Unlisted, Public] {
            assert_eq!(server("4.5.0").kept(wanted), Some(wanted));
            let kept = server("4.0.0 (compatible; Mitra 5.9.0)").kept(wanted);
            assert!(kept.is_some_and(|kept| kept <= wanted && kept != Unlisted), "{wanted:?}");
        }
        let snac = server("2.94 (snac)");
        assert_eq!(
            [Direct, Followers, Unlisted].map(|wanted| snac.kept(wanted)),
            [None, None, Some(Unlisted)]
        );
    }
}
