//! The kinds of server that the Mastodon stand-in can be, and how they differ.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]

use serde_json::{Value, json};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    Mastodon43,
    Mastodon46,
    GoToSocial,
    Mitra,
    Akkoma,
    Snac,
}

impl Profile {
    pub const ALL: [Profile; 6] = [
        Profile::Mastodon43,
        Profile::Mastodon46,
        Profile::GoToSocial,
        Profile::Mitra,
        Profile::Akkoma,
        Profile::Snac,
    ];

    pub fn is_mastodon(self) -> bool {
        matches!(self, Profile::Mastodon43 | Profile::Mastodon46)
    }

    /// Whether the same key twice is the same post.
    pub fn honours_keys(self) -> bool {
        self.is_mastodon() || self == Profile::Mitra
    }

    pub fn honours_allowed_mentions(self) -> bool {
        self.is_mastodon()
    }

    pub fn has_policy(self) -> bool {
        self.is_mastodon()
    }

    pub fn has_v2_instance(self) -> bool {
        self != Profile::Snac
    }

    /// Whether `min_id` is understood.
    pub fn reads_forward(self) -> bool {
        !matches!(self, Profile::Mitra | Profile::Snac)
    }

    pub fn streams(self) -> bool {
        !matches!(self, Profile::Mitra | Profile::Snac)
    }

    /// The largest page of notifications.
    pub fn page_max(self) -> usize {
        match self {
            Profile::Mastodon43 | Profile::Mastodon46 | Profile::GoToSocial => 80,
            Profile::Akkoma | Profile::Mitra => 40,
            Profile::Snac => 20,
        }
    }

    pub fn tells_rate_limits(self) -> bool {
        !matches!(self, Profile::Mitra | Profile::Snac)
    }

    /// The visibility that is kept for the one that was asked for.
    pub fn kept(self, asked: &str) -> &str {
        match (self, asked) {
            (Profile::Mitra, "unlisted") => "public",
            _ => asked,
        }
    }

    /// The id of the status with this number.
    pub fn status_id(self, number: u64) -> String {
        match self {
            Profile::Mastodon43 | Profile::Mastodon46 => {
                (113_000_000_000_000_000 + number * 65_536).to_string()
            }
            Profile::GoToSocial => format!("01JDZ{number:021}"),
            Profile::Mitra => format!("0193571d-0000-7000-8000-{number:012x}"),
            Profile::Akkoma => format!("AoFlake{number:011}"),
            Profile::Snac => format!("{number:032x}"),
        }
    }

    /// The id of the notification with this number. Decimals soon grow longer.
    pub fn notification_id(self, number: u64) -> String {
        match self {
            Profile::GoToSocial => format!("01JDY{number:021}"),
            Profile::Mitra => (5 + number).to_string(),
            Profile::Mastodon43 | Profile::Mastodon46 | Profile::Akkoma | Profile::Snac => {
                (95 + number).to_string()
            }
        }
    }

    /// A time as this server writes it.
    pub fn time(self, at: jiff::Timestamp) -> String {
        if self == Profile::Snac { format!("{at:.0}") } else { format!("{at:.3}") }
    }

    /// What `/api/v1/instance` or `/api/v2/instance` answers.
    pub fn instance(self, domain: &str, streaming: &str) -> Value {
        let mastodon = |version: &str| {
            json!({"domain": domain, "version": version, "source_url": "https://github.example/mastodon",
                   "configuration": {"urls": {"streaming": streaming},
                       "statuses": {"max_characters": 500, "characters_reserved_per_url": 23}}})
        };
        match self {
            Profile::Mastodon43 => mastodon("4.3.8"),
            Profile::Mastodon46 => mastodon("4.6.0"),
            Profile::GoToSocial => {
                json!({"domain": domain, "account_domain": domain, "version": "0.20.0+git-abc",
                       "source_url": "https://codeberg.example/superseriousbusiness/gotosocial",
                       "configuration": {"urls": {"streaming": streaming},
                           "statuses": {"max_characters": 5000, "characters_reserved_per_url": 25}}})
            }
            Profile::Mitra => {
                json!({"domain": domain, "version": "4.0.0 (compatible; Mitra 5.9.0)",
                       "configuration": {"urls": null, "statuses": {"max_characters": 5000}}})
            }
            Profile::Akkoma => {
                json!({"uri": format!("https://{domain}"), "version": "2.7.2 (compatible; Akkoma 3.15.2)",
                       "urls": {"streaming_api": streaming}, "max_toot_chars": 5000,
                       "configuration": {"urls": {"streaming": streaming},
                           "statuses": {"max_characters": 5000}}})
            }
            Profile::Snac => {
                json!({"uri": domain, "version": "4.0.0 (not true; really snac 2.94)", "max_toot_chars": 100_000})
            }
        }
    }
}
