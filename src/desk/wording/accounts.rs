//! What the desk says about accounts of one person, and how they sign.
//!
//! **Invariant:** as above: nothing here decides anything.

use jiff::SignedDuration;

use crate::desk::person::Signature;
use crate::desk::post::Network;
use crate::desk::wording::duration;

pub fn signature_set(signature: &Signature) -> String {
    let as_what = match signature {
        Signature::Name(name) => name,
        Signature::Nameless | Signature::Usual => "a librarian",
    };
    format!("I'll sign your answers: — {as_what}")
}

pub fn link_in_private() -> String {
    "The code for linking accounts is for your eyes only. Please say link in a direct message.".to_owned()
}

pub fn link_code(code: &str, valid_for: SignedDuration) -> String {
    format!(
        "Write to me from your other account: link {code} . The code works once, within {}. The two accounts then share your subjects, limits and wishes; I ask you where you wrote last.",
        duration(valid_for)
    )
}

pub fn link_unknown() -> String {
    "I don't know this code, or its time is over. Say link in a direct message from your other account to get a new one.".to_owned()
}

pub fn link_too_many(most: usize) -> String {
    format!("I can link {most} accounts of one person at most.")
}

pub fn linked() -> String {
    "Linked! Both accounts now count as one person here. Say unlink to undo it.".to_owned()
}

pub fn linked_elsewhere(network: Network) -> String {
    format!("This account is now linked with one on {network}. If that wasn't you, say unlink.")
}

pub fn unlinked(was_linked: bool) -> String {
    if was_linked {
        "This account is on its own again.".to_owned()
    } else {
        "This account isn't linked with any other.".to_owned()
    }
}
