//! The pages' HTML.
//!
//! **Invariant:** pages hold no script, no style and nothing that people wrote; what people wrote is
//! put in by the script, as text.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::networks::sandbox::Sandbox;
use crate::networks::sandbox::handle::HANDLE_LENGTH_MAX;
use crate::networks::sandbox::posts::TEXT_CHARS_MAX;

/// What the desk understands: for whom, what to say, what it does. Shown as a cheat-sheet.
const PATRON_WORDS: [(&str, &str); 6] = [
    ("status", "where your question stands"),
    ("cancel", "withdraw it"),
    ("thanks", "passed on to the librarian"),
    ("help", "what the desk can do"),
    ("stop", "it never writes to you again"),
    ("forget me", "it erases everything about you"),
];
const LIBRARIAN_WORDS: [(&str, &str); 10] = [
    ("join history, genealogy", "opt in to subjects"),
    ("hours 18:00-22:00 Europe/Berlin weekdays", "when you may be asked"),
    ("languages en, de", "which questions you can read"),
    ("limit 2", "open questions at a time"),
    ("pause 3 days", "a break"),
    ("back", "the end of a break"),
    ("my questions", "what you have open"),
    ("sign as …", "how your answers are signed"),
    ("link", "join another account of yours"),
    ("leave", "opt out"),
];
const INVITATION_WORDS: [(&str, &str); 7] = [
    ("your answer", "goes back to the patron"),
    ("claim", "keep it for you while you look it up"),
    ("pass", "somebody else is asked"),
    ("ask: which county?", "ask the patron something"),
    ("refer to law", "hand it to a subject, or to @somebody"),
    ("also: …", "add to somebody else’s answer"),
    ("done", "close it"),
];

/// The page of the sandbox.
pub(super) async fn sandbox(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let desk = sandbox.desk().as_str();
    let body = html! {
        body data-desk=(desk) {
            a.skip href="#main" { "Skip to the posts" }
            header.top {
                (mark())
                div {
                    h1 { "Stumper sandbox" }
                    p { "A tiny social network that lives inside this desk. Be anybody: ask as a patron, answer as a librarian." }
                }
            }
            (identity())
            p #trouble.banner role="alert" hidden {}
            noscript { p.banner { "This page needs JavaScript." } }
            div.layout {
                (guide(desk))
                main #main tabindex="-1" { (compose(desk)) (lists()) }
                (librarians())
                (commands(desk))
            }
            p #heard.unseen role="status" {}
            script src="/sandbox.js" defer {}
        }
    };
    page(&body)
}

/// What stands in its place while the sandbox is off.
pub(super) async fn switched_off() -> Response {
    page(&html! {
        body {
            header.top {
                (mark())
                div { h1 { "Stumper" } p { "The desk is running. Its sandbox is switched off." } }
            }
        }
    })
}

fn page(body: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Stumper sandbox" }
                link rel="icon" href="/sandbox.svg" type="image/svg+xml";
                link rel="stylesheet" href="/sandbox.css";
            }
            (body)
        }
    };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], whole.into_string()).into_response()
}

fn mark() -> Markup {
    html! { img.mark src="/sandbox.svg" alt="" width="44" height="44"; }
}

fn identity() -> Markup {
    html! {
        section.identity aria-label="Who you are" {
            form #who autocomplete="off" {
                label for="handle" { "You are" }
                span.at-field {
                    span aria-hidden="true" { "@" }
                    input #handle name="handle" required maxlength=(HANDLE_LENGTH_MAX) spellcheck="false"
                        autocapitalize="none" aria-describedby="who-trouble";
                }
                button type="submit" { "Switch" }
            }
            div #people.people role="group" aria-label="Switch quickly to" {}
            p #who-trouble.trouble role="alert" {}
        }
    }
}

fn guide(desk: &str) -> Markup {
    html! {
        section #guide.card aria-labelledby="guide-title" {
            div.card-head {
                h2 #guide-title { "Two minutes at the desk" }
                button #guide-fold.quiet type="button" aria-expanded="true" aria-controls="guide-steps" { "Hide" }
            }
            ol #guide-steps.steps {
                li data-step="librarians" {
                    h3 { "Bring in librarians" }
                    p { "Six made-up people tell @" (desk) " what they know. Nobody is asked who didn’t say " q { "join" } "." }
                    p { button #add-librarians.primary type="button" { "Add example librarians" } }
                }
                li data-step="ask" {
                    h3 { "Ask something" }
                    p { "Write to @" (desk) " in your own words, or take one of the examples." }
                }
                li data-step="answer" {
                    h3 { "Be the librarian" }
                    p #guide-invited { "The desk finds out who knows, and invites them. Switch to that person and answer." }
                }
                li data-step="read" {
                    h3 { "See the answer" }
                    p #guide-read { "Switch back to who asked. The answer is in their own thread." }
                }
            }
        }
    }
}

fn compose(desk: &str) -> Markup {
    html! {
        form #compose.card.compose {
            label.unseen for="text" { "Write a post" }
            textarea #text name="text" rows="2" maxlength=(TEXT_CHARS_MAX) aria-describedby="compose-trouble"
                placeholder=(format!("What stumps you? @{desk} finds a librarian who knows.")) {}
            div #examples.examples role="group" aria-label="Example questions" {}
            div.compose-foot {
                label for="visibility" { span.unseen { "Who sees it" }
                    select #visibility name="visibility" {
                        option value="public" { "Public" }
                        option value="unlisted" { "Unlisted" }
                        option value="direct" { "Direct message" }
                    }
                }
                span #to-field.at-field hidden {
                    label for="to" { "to @" }
                    input #to name="to" value=(desk) maxlength=(HANDLE_LENGTH_MAX) spellcheck="false" autocapitalize="none";
                }
                label for="language" { span.unseen { "Language" }
                    select #language name="language" {
                        option value="" { "Any language" }
                        @for (tag, name) in [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"), ("it", "Italiano"), ("pt", "Português")] {
                            option value=(tag) lang=(tag) { (name) }
                        }
                    }
                }
                button.primary type="submit" { "Post" }
            }
            p #compose-trouble.trouble role="alert" {}
        }
    }
}

fn lists() -> Markup {
    html! {
        div.tabs role="tablist" aria-label="Posts" {
            button #tab-public role="tab" type="button" aria-controls="list" aria-selected="true" { "Public" }
            button #tab-you role="tab" type="button" aria-controls="list" aria-selected="false" tabindex="-1" {
                "For you" span #count.count hidden {}
            }
        }
        div #list role="tabpanel" aria-labelledby="tab-public" {
            div #threads {}
            div #empty.empty hidden {}
            button #older.quiet type="button" hidden { "Show older" }
        }
    }
}

fn librarians() -> Markup {
    html! {
        section #librarians.card aria-labelledby="librarians-title" hidden {
            h2 #librarians-title { "Example librarians" }
            ul #librarian-list.librarians {}
            p { button #again.quiet type="button" { "Introduce them again" } }
        }
    }
}

fn commands(desk: &str) -> Markup {
    let table = |title: &str, words: &[(&str, &str)]| {
        html! {
            h3 { (title) }
            dl { @for (say, what) in words { div { dt { (say) } dd { (what) } } } }
        }
    };
    html! {
        section.card.commands aria-labelledby="commands-title" {
            details {
                summary { h2 #commands-title { "What you can say to the desk" } }
                p { "Reply to @" (desk) ", mention it, or send it a direct message. Capitals don’t matter." }
                p { "Names that end in " code { ".bot" } " are bots here, and the desk keeps away from bots." }
                (table("When you asked", &PATRON_WORDS))
                (table("To be a librarian", &LIBRARIAN_WORDS))
                (table("When you are invited", &INVITATION_WORDS))
            }
        }
    }
}
