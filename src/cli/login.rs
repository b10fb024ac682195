//! `stumper network login x`: the coordinator allows the desk to act for its account.
//!
//! X shows a page, and sends the coordinator's browser back to this computer with a code. Where the
//! browser runs on another computer, the address it ends at can be pasted instead.
//!
//! **Invariant:** the code and the tokens are never printed, and only this computer is listened to.

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::cli::output::{self, Problem};
use crate::cli::{Exit, check, reach, run};
use crate::config::Config;
use crate::config::x::LogIn;
use crate::desk::Network;
use crate::engine::control;
use crate::networks::{Failure, http, x};

/// How long the coordinator has.
const TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a browser has to send its request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// The longest request of a browser that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// How many requests without a code are answered: browsers also ask for an icon.
const REQUESTS_MAX: usize = 100;

/// What the browser shows at the end.
const SEEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nThe desk has heard it. Look at the terminal.\n";
const NOT_SEEN: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nThere is no code in this address.\n";

pub(super) async fn log_in(path: &Path, network: Network) -> Result<Exit, Problem> {
    let config = check::usable_config(path)?;
    if network != Network::X {
        return Err(Problem::new(
            format!("{network} needs no log-in by hand"),
            format!("put its password where `bot.toml` says, then `stumper network check {network}`"),
        ));
    }
    let (app, redirect) = app(&config, path)?;
    let random = || control::random_hex().map_err(|error| Problem::unexpected(error.to_string()));
    let (state, verifier) = (random()?, format!("{}{}", random()?, random()?));
    let settings = run::x_settings(&config, path)?.ok_or_else(|| not_enabled(path))?;
    // A service of a trial has its page beside it.
    let page = if settings.service == x::SERVICE {
        x::ALLOW_PAGE.to_owned()
    } else {
        format!("{}/i/oauth2/authorize", settings.service)
    };
    let address = x::address_to_allow(&page, &app, &redirect, &state, &verifier);
    output::data(&format!(
        "Log in to X with the desk's account, open this address and allow the app:\n\n{address}\n\n"
    ))?;
    output::note("If the browser then shows an error, paste the address it ended at here and press Enter.");
    let code = tokio::time::timeout(TIME_MAX, code(&redirect, &state)).await;
    let code = code.map_err(|_| {
        Problem::new(
            "nobody allowed it within a quarter of an hour",
            "run the command again when you are ready",
        )
    })??;
    reach::make_folder(&config.data)?;
    let http = http::client().map_err(|error| Problem::unexpected(error.to_string()))?;
    let allowed = x::Allowed { code: &code, redirect: &redirect, verifier: &verifier };
    let logged_in = x::log_in(&http, &settings.service, &app, &settings.session_file, allowed).await;
    logged_in.map_err(|failure| match failure {
        Failure::AccountDead(why) => Problem::new(why.to_owned(), "run the command again"),
        Failure::Later { .. } | Failure::Transient(_) | Failure::Unsure(_) | Failure::Refused(_) => {
            Problem::unexpected(failure.to_string())
        }
    })?;
    output::data("The desk is logged in to X. See that it works: `stumper network check x`\n")?;
    Ok(Exit::Fine)
}

fn app(config: &Config, path: &Path) -> Result<(x::App, String), Problem> {
    let Some(x) = &config.x else { return Err(not_enabled(path)) };
    let LogIn::App { redirect, .. } = &x.log_in else {
        return Err(Problem::new(
            "the keys of OAuth 1.0a need no log-in",
            "set `log_in = \"app\"` in `[network.x]` to use OAuth 2.0 instead",
        ));
    };
    let settings = run::x_settings(config, path)?.ok_or_else(|| not_enabled(path))?;
    match settings.log_in {
        x::LogIn::App(app) => Ok((app, redirect.clone())),
        x::LogIn::Keys(_) => Err(Problem::unexpected("the settings say both keys and app")),
    }
}

fn not_enabled(path: &Path) -> Problem {
    Problem::new("x is not enabled", format!("set `enabled = true` in `[network.x]` of {}", path.display()))
}

/// The code, from the browser or from the terminal, whichever comes first.
async fn code(redirect: &str, state: &str) -> Result<String, Problem> {
    let url = Url::parse(redirect).map_err(|_| Problem::unexpected("the redirect address is none"))?;
    let port = url.port().unwrap_or(80);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.ok();
    if listener.is_none() {
        output::note("Nobody can be listened to at that port, so the address has to be pasted.");
    }
    let mut pasted = pasted();
    let heard = async {
        match &listener {
            Some(listener) => heard(listener).await,
            None => std::future::pending().await,
        }
    };
    let address = tokio::select! {
        heard = heard => heard?,
        Ok(line) = &mut pasted => line,
    };
    code_in(&address, redirect, state).map_err(|why| Problem::new(why, "run the command again"))
}

/// What X sent the browser back to.
async fn heard(listener: &TcpListener) -> Result<String, Problem> {
    for _ in 0..REQUESTS_MAX {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let asked = tokio::time::timeout(REQUEST_TIME_MAX, asked_for(&mut stream)).await.ok().flatten();
        let has_code = asked.as_ref().is_some_and(|asked| asked.contains("state="));
        let reply = if has_code { SEEN } else { NOT_SEEN };
        stream.write_all(reply.as_bytes()).await.ok();
        stream.shutdown().await.ok();
        if let Some(asked) = asked.filter(|_| has_code) {
            return Ok(asked);
        }
    }
    Err(Problem::new(
        "something else keeps asking at the redirect address",
        "close it and run the command again",
    ))
}

/// The path and query that a browser asks for.
async fn asked_for(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut piece = [0; 1_024];
    while !read.windows(2).any(|two| two == b"\r\n") && read.len() < REQUEST_BYTES_MAX {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(piece.get(..count)?);
    }
    let text = String::from_utf8_lossy(&read);
    text.strip_prefix("GET ")?.split_whitespace().next().map(str::to_owned)
}

/// The line that is typed. A terminal cannot be waited for and left, so a thread of its own reads it.
fn pasted() -> oneshot::Receiver<String> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(count) if count > 0 => sender.send(line).ok(),
            // Nothing can be pasted. The receiver must not take that for an answer.
            Ok(_) | Err(_) => {
                std::mem::forget(sender);
                None
            }
        }
    });
    receiver
}

/// The code in the address that X sent the browser to, or the code alone.
fn code_in(written: &str, redirect: &str, state: &str) -> Result<String, &'static str> {
    let written = written.trim();
    if !written.contains(['?', '/', '=']) && !written.is_empty() {
        return Ok(written.to_owned());
    }
    let base = Url::parse(redirect).map_err(|_| "the redirect address is none")?;
    let url = base.join(written).map_err(|_| "this is no address")?;
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if value("error").is_some() {
        return Err("X says that it was not allowed");
    }
    if value("state").as_deref() != Some(state) {
        return Err("this address belongs to another log-in");
    }
    value("code").filter(|code| !code.is_empty()).ok_or("there is no code in this address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_whatever_is_pasted() {
        let redirect = "http://127.0.0.1:7366/";
        let rows = [
            ("the whole address", "http://127.0.0.1:7366/?state=s&code=abc%3D\n", Ok("abc=".to_owned())),
            ("as a browser asks", "/?code=abc&state=s", Ok("abc".to_owned())),
            ("the code alone", " abc\n", Ok("abc".to_owned())),
            ("another log-in", "/?code=abc&state=t", Err("this address belongs to another log-in")),
            ("no code", "/?state=s", Err("there is no code in this address")),
            ("not allowed", "/?error=access_denied&state=s", Err("X says that it was not allowed")),
            ("nothing", "\n", Err("this address belongs to another log-in")),
        ];
        for (name, written, want) in rows {
            assert_eq!(code_in(written, redirect, "s"), want, "{name}");
        }
    }
}
