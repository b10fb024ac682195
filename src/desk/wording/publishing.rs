//! What the desk says about questions that are shown to everybody.
//!
//! **Invariant:** as above: nothing here decides anything.

use crate::desk::ids::Code;
use crate::desk::post::Network;

/// For the end of the news that nobody was found, where it is so.
pub fn may_be_published() -> &'static str {
    " If you like, I can also put it where anybody may answer, without your name: say publish."
}

/// What everybody sees of a question. `text` is the patron's, made harmless.
pub fn stumper(code: &Code, desk: &str, text: &str, hears_replies: bool, hashtag: Option<&str>) -> String {
    let ask = if hears_replies { "Do you know? Please reply here." } else { "Do you know?" };
    // In front, so that it stands in the first part of a long text.
    let hashtag = hashtag.map(|tag| format!("#{tag} ")).unwrap_or_default();
    format!("{hashtag}Somebody asked {desk}:\n\n“{text}”\n\n{ask} ({code})")
}

pub fn published(code: &Code, places: &str) -> String {
    format!(
        "{code} is published {places}, without your name. What people answer there is looked at by the desk's coordinator before it comes to you. Say unpublish to take it back."
    )
}

pub fn unpublished(code: &Code) -> String {
    format!("{code} isn't published any more; what was is being deleted.")
}

pub fn private_is_not_published(code: &Code) -> String {
    format!(
        "{code} isn't public, so I'll never publish it. To have it published, ask it anew in a public post."
    )
}

pub fn nothing_is_published() -> String {
    "This desk publishes no questions; only librarians see yours.".to_owned()
}

pub fn no_need_to_publish(code: &Code) -> String {
    format!("A librarian is working on {code}, so there's no need to publish it.")
}

pub fn too_late_to_publish(code: &Code) -> String {
    format!("{code} has ended, so I won't publish it. Ask again any time.")
}

/// An answer by a stranger that the coordinator found good. `text` was made harmless.
pub fn offered(network: Network, text: &str) -> String {
    format!("{text}\n\n— somebody who read your question on {network}. They're no librarian of this desk.")
}

pub fn overheard(subjects: &str, address: &str) -> String {
    format!(
        "A public question that may be for you ({subjects}): {address}\n\nIt wasn't put to me, and its author doesn't know of me. If you'd like to help, reply to it there yourself."
    )
}
