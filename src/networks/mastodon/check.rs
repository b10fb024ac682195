//! `network check`: what this server offers, and what the desk does about each lack.
//!
//! **Invariant:** nothing is posted to find it out.

use crate::desk::Network;
use crate::networks::mastodon::{Connector, RIGHTS};
use crate::networks::{Finding, Report};

impl Connector {
    /// Tries everything the desk needs there, without writing a post.
    pub async fn check(&self) -> Report {
        let mut report = Report { network: Network::Mastodon, account: None, findings: Vec::new() };
        let known = match self.log_in().await {
            Ok(known) => known,
            Err(failure) => {
                report.findings.push(Finding::trouble("log-in", &failure));
                return report;
            }
        };
        let handle = &known.me.account.handle;
        let kind = known.server.family.name();
        report.findings.push(Finding::good("log-in", format!("the desk is @{handle}, on {kind}")));
        report.account = Some(handle.clone());
        report.findings.push(match self.page(&known, None, None).await {
            Ok(_) => Finding::good("reading", "mentions and replies can be read".to_owned()),
            Err(failure) => Finding::trouble("reading", &failure),
        });
        let limits = known.server.limits;
        let (graphemes, link) = (limits.graphemes_max, limits.link_graphemes_min);
        let lengths = format!("{graphemes} characters, a link counts as {link}; longer texts become threads");
        report.findings.push(Finding::good("length", lengths));
        if known.server.has_policy() {
            report.findings.push(self.policy_found().await);
        }
        for lack in known.server.lacks() {
            report.findings.push(Finding::good(lack.what, format!("{}; {}", lack.found, lack.instead)));
        }
        report
    }

    async fn policy_found(&self) -> Finding {
        match self.accept_everybody().await {
            Ok(()) => Finding::good("strangers", "their private mentions come through".to_owned()),
            Err(trouble) => Finding {
                what: "strangers",
                ok: false,
                found: "the access token must not set which notifications come through".to_owned(),
                mend: Some(match trouble.status() {
                    Some(401 | 403) => format!("make a token with the rights {RIGHTS}"),
                    Some(_) | None => "try again later".to_owned(),
                }),
            },
        }
    }
}
