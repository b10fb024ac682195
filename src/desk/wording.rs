//! Every sentence the desk says to people, in one place.
//!
//! The desk is brief, warm and exact: it says what happens now, what can be said next, and thanks.
//! Networks mark which post is a reply to which, so no sentence repeats what was said before.
//!
//! **Invariant:** nothing here decides anything. People's own words come in already defused.

pub mod accounts;
pub mod asking;
pub mod mistakes;
pub mod publishing;
pub mod volunteering;

use jiff::{SignedDuration, Timestamp};

use crate::desk::ids::Code;
use crate::desk::post::Network;
use crate::desk::question::{Question, State};
use crate::desk::settings::Settings;

/// How the search for a librarian begins, for the acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// So many librarians were asked just now.
    Asked(usize),
    /// The librarian was asked for whom the patron asked by name.
    ByName,
    /// Librarians are there, but none is on duty or free before this time.
    Later(Timestamp),
    /// So many librarians were asked just now because they speak this language.
    AskedSpeakers(usize, String),
    /// No librarian takes such questions yet.
    NobodyYet,
    /// No librarian speaks this language yet.
    NobodySpeaks(String),
}

pub fn acknowledgement(code: &Code, subjects: &str, search: &Search, settings: &Settings) -> String {
    let search = asked(search, "know about this", "knows about this", settings);
    format!(
        "Thank you for asking! This is question {code} ({subjects}). {search}. The answer will come here. You can reply with more detail, or with: status, cancel."
    )
}

/// The same, where nothing in the question tells its subject: the patron may help.
pub fn acknowledgement_without_subject(code: &Code, search: &Search, settings: &Settings) -> String {
    let search = asked(search, "take any question", "takes any question", settings);
    format!(
        "Thank you for asking! This is question {code}. I can't tell its subject yet: reply with a word or two about that, and I'll ask who knows it. {search}. The answer will come here. You can also reply: status, cancel."
    )
}

/// What the patron added tells the subject.
pub fn now_with_subject(code: &Code, subjects: &str, search: &Search, settings: &Settings) -> String {
    let search = asked(search, "know about this", "knows about this", settings);
    format!("Thank you, that helps! {code} is about {subjects}. {search}.")
}

/// Who was asked, or why nobody was. `they` and `who` are what those asked do, of several and of one.
fn asked(search: &Search, they: &str, who: &str, settings: &Settings) -> String {
    let give_up = duration(settings.give_up_after);
    match search {
        Search::Asked(1) => format!("I've asked a librarian who {who}"),
        Search::Asked(count) => format!("I've asked {} librarians who {they}", number(*count)),
        Search::ByName => asking::asked_by_name(),
        Search::Later(at) => {
            format!("Nobody who {who} is free just now; I'll ask from {}", moment(*at, settings))
        }
        Search::AskedSpeakers(1, language) => format!("I've asked a librarian who speaks {language}"),
        Search::AskedSpeakers(count, language) => {
            format!("I've asked {} librarians who speak {language}", number(*count))
        }
        Search::NobodyYet => {
            format!("No librarian here takes such questions yet; I'll keep looking for {give_up}")
        }
        Search::NobodySpeaks(language) => {
            format!("No librarian here speaks {language} yet; I'll keep looking for {give_up}")
        }
    }
}

pub fn invitation(
    code: &Code,
    audience: Audience,
    from: &str,
    subjects: &str,
    why: &str,
    text: &str,
) -> String {
    let goes_back = match audience {
        Audience::AsReplied => "Your reply goes back as the answer.",
        Audience::Everybody => "Your reply goes back as the answer, in public, as they asked.",
    };
    format!(
        "A question from {from} for you, {code} ({subjects}):\n\n“{text}”\n\n{goes_back} \
         Or reply: claim · pass · ask: … · refer to …\n({why})"
    )
}

/// Who will read what a librarian replies to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody but who could read the reply itself.
    AsReplied,
    /// Everybody, as the question was public, although the reply is not.
    Everybody,
}

/// Words behind the warning that their author gave them, where a network cannot hide them.
pub fn warned(warning: &str, body: &str) -> String {
    format!("[Content warning: {warning}]\n\n{body}")
}

/// Why a librarian is asked, for the invitation.
pub fn why_subject(subject: &str, terms: &[String]) -> String {
    if terms.is_empty() {
        return format!("You're asked because you joined {subject}.");
    }
    let terms: Vec<String> =
        terms.iter().take(3).map(|term| format!("“{}”", term.trim_end_matches('*'))).collect();
    format!("You're asked because you joined {subject}; the question has {}.", terms.join(", "))
}

/// The same, where it was a librarian who named the subject.
pub fn why_corrected(subject: &str) -> String {
    format!("You're asked because you joined {subject}; a colleague says that this is yours.")
}

pub fn why_parent(subject: &str) -> String {
    format!("You're asked because you joined {subject}, the wider subject, and nobody nearer was free.")
}

pub fn why_generalist() -> String {
    "You're asked because you take any question.".to_owned()
}

pub fn why_language(language: &str) -> String {
    format!("You're asked because you speak {language}; I can't tell subjects in it yet.")
}

pub fn why_referred() -> String {
    "A colleague thought of you for this.".to_owned()
}

pub fn why_assigned() -> String {
    "The desk's coordinator thought of you for this.".to_owned()
}

pub fn claimed_to_librarian(code: &Code, remind_after: SignedDuration) -> String {
    format!(
        "{code} is yours, thank you! Reply with the answer, or say: ask: … · pass · refer to …\nI'll remind you after {}.",
        duration(remind_after)
    )
}

pub fn claimed_to_patron(code: &Code) -> String {
    format!("Good news: a librarian is working on {code} now.")
}

pub fn answer(code: &Code, by: &str, text: &str) -> String {
    format!("{text}\n\n— {by}, for question {code}. Reply to ask more, or to say thanks.")
}

pub fn second_answer(code: &Code, by: &str, text: &str) -> String {
    format!("Another librarian adds:\n\n{text}\n\n— {by}, for question {code}.")
}

pub fn more_answer(by: &str, text: &str) -> String {
    format!("{text}\n\n— {by}")
}

pub fn answer_passed_on(code: &Code) -> String {
    format!(
        "Thank you! Your answer to {code} is on its way. Anything more you reply goes to them too; say done when it's finished."
    )
}

pub fn also_passed_on(code: &Code) -> String {
    format!("Thank you! I've added your words to {code}.")
}

pub fn interview(code: &Code, text: &str) -> String {
    format!("The librarian working on {code} would like to know:\n\n{text}\n\nPlease reply here.")
}

pub fn interview_asked(code: &Code, wait: SignedDuration) -> String {
    format!("I've asked them; their reply to {code} comes back to you. They have {}.", duration(wait))
}

pub fn detail(code: &Code, text: &str) -> String {
    format!("About {code}, the patron writes:\n\n“{text}”")
}

pub fn detail_noted(code: &Code) -> String {
    format!("Thank you, I've added that to {code}.")
}

pub fn thanks_relayed(code: &Code, text: &str) -> String {
    format!("For {code}, with thanks from the person you helped:\n\n“{text}”")
}

pub fn thanks_from_patron() -> String {
    "You're very welcome! I've passed your thanks on to the librarian.".to_owned()
}

pub fn thanks_from_anyone() -> String {
    "You're very welcome!".to_owned()
}

pub fn passed(code: &Code) -> String {
    format!("That's fine, thank you for saying so. I'll ask somebody else about {code}.")
}

pub fn referred(code: &Code, to: &str) -> String {
    format!("Thank you! I've referred {code} to {to}.")
}

pub fn referred_nobody(code: &Code, to: &str) -> String {
    format!(
        "Thank you! {code} is marked for {to} now. Nobody there is free at the moment; I'll ask as soon as somebody is."
    )
}

pub fn corrected(code: &Code, to: &str) -> String {
    format!("Thank you for setting that right! {code} is with {to} now. For you it counts as never asked.")
}

pub fn corrected_nobody(code: &Code, to: &str) -> String {
    format!(
        "Thank you for setting that right! {code} belongs to {to} now. Nobody there is free at the moment; I'll ask as soon as somebody is. For you it counts as never asked."
    )
}

pub fn corrected_already(code: &Code, to: &str) -> String {
    format!("Thank you! {code} is with {to} already. For you it counts as never asked.")
}

/// Asks a librarian who said `wrong subject` which one it is. `unknown` is what they called it.
pub fn which_subject(code: &Code, unknown: Option<&str>, near: &[String]) -> String {
    let unknown =
        unknown.map(|words| format!("I don't know the subject “{}”. ", quoted(words))).unwrap_or_default();
    let near = match near {
        [] => String::new(),
        near => format!(" Near ones: {}.", near.join(" · ")),
    };
    format!("{unknown}Which subject is {code}, then? Reply with its name, or say general if none fits.{near}")
}

/// For the end of an acknowledgement, where letters wait for long.
pub fn behind(wait: SignedDuration) -> String {
    format!(" Many people are asking just now, so everything here takes longer: about {}.", duration(wait))
}

/// To a librarian: the patron changed what they asked.
pub fn edited(code: &Code, text: &str) -> String {
    format!("The patron has changed {code}. It reads now:\n\n“{text}”")
}

/// For the end of an acknowledgement, where it is so.
pub fn may_be_learnt_from() -> &'static str {
    " My word lists may learn from it; if you'd rather not, say no learning."
}

pub fn no_learning() -> String {
    "Done: my word lists learn from none of your questions.".to_owned()
}

pub fn refer_not_possible(to: &str) -> String {
    format!(
        "I can't refer it to {to}: I may only ask librarians who joined this desk, are on duty and free, and weren't asked yet. You can refer it to a subject, or pass."
    )
}

pub fn owned_by_colleague(code: &Code) -> String {
    format!(
        "Thank you! A colleague has {code} already, so I haven't passed this on. If yours adds something, send it again beginning with also: and I will."
    )
}

pub fn question_is_over(code: &Code, state: &State) -> String {
    let how = match state {
        State::Withdrawn => "was withdrawn",
        State::Closed => "is closed",
        State::Unanswered => {
            return format!(
                "{code} is put aside: its patron was told that nobody was found. An answer still goes to them, if you have one."
            );
        }
        State::Answered { .. }
        | State::Seeking
        | State::Claimed { .. }
        | State::Interview { .. }
        | State::Held { .. } => "is no longer open",
    };
    format!("Thank you! But {code} {how}, so I haven't passed this on.")
}

pub fn not_answered_yet(code: &Code) -> String {
    format!("{code} has no answer yet. Reply with it, or say pass, and I'll ask somebody else.")
}

pub fn done(code: &Code) -> String {
    format!("{code} is closed. Thank you for your help!")
}

pub fn cancelled(code: &Code) -> String {
    format!("{code} is withdrawn; nobody will work on it any more. Ask again any time.")
}

pub fn withdrawn_to_librarian(code: &Code) -> String {
    format!("{code} was withdrawn, so there's nothing more to do. Thank you for being there!")
}

pub fn reminder(code: &Code, release_after: SignedDuration) -> String {
    format!(
        "{code} is still waiting for your answer. Say keep to keep it, or pass to let it go; otherwise I'll ask somebody else in {}.",
        duration(release_after)
    )
}

pub fn kept(code: &Code) -> String {
    format!("{code} stays with you.")
}

pub fn released_to_librarian(code: &Code) -> String {
    format!("I've given {code} to somebody else now. No harm done, and thank you!")
}

pub fn looking_again(code: &Code) -> String {
    format!("The librarian had to let {code} go, so I'm asking others. It isn't forgotten.")
}

pub fn open_again(code: &Code) -> String {
    format!("{code} is open again. If you know the answer, reply with it; or say pass.")
}

pub fn gave_up(code: &Code, waited: SignedDuration) -> String {
    format!(
        "I'm sorry: in {} I found nobody who could answer {code}. If an answer still comes, you'll have it here. Your own library may be able to help, and you can ask again any time.",
        duration(waited)
    )
}

/// The same where it is the last word that may be said there.
pub fn gave_up_for_good(code: &Code, waited: SignedDuration) -> String {
    format!(
        "I'm sorry: in {} I found nobody who could answer {code}. Your own library may be able to help, and you can ask again any time.",
        duration(waited)
    )
}

/// Help where it has to be one short post.
pub fn help_in_one_post() -> String {
    "Ask me anything you'd ask a librarian: I pass it to one who knows and reply here with the answer. \
     Librarians: send me “join history” as a direct message. “stop” and “forget me” always work."
        .to_owned()
}

pub fn interview_over_to_patron(code: &Code) -> String {
    format!("I haven't heard from you about {code}, so I've put it aside. Mention me to ask again any time.")
}

pub fn interview_over_to_librarian(code: &Code) -> String {
    format!("The patron of {code} didn't reply to your question, so I've put it aside. Thank you for trying!")
}

pub fn closed_by_coordinator(code: &Code) -> String {
    format!("The desk's coordinator has closed {code}. If you still need an answer, mention me to ask again.")
}

/// To a patron who asked in public and whose librarian replied in private.
pub fn private_reply_undelivered(code: &Code) -> String {
    format!(
        "A librarian has replied to you about {code} in private, and this server keeps nothing private, so I can't bring it to you. If you ask me from an account on another server or network, it can reach you there; or ask again here and say that a public answer is enough."
    )
}

pub fn declined_private() -> String {
    "Thank you for writing. I can't answer privately on this network yet, and I won't carry a private question into public. If it may be public, please mention me in a public post.".to_owned()
}

pub fn cannot_reach_you_privately(network: Network) -> String {
    let how = match network {
        Network::Bluesky => {
            "Please let everyone message you (Settings, Chat settings), or send me a direct message first."
        }
        // Nobody is written to on Facebook.
        Network::Sandbox | Network::Mastodon | Network::X | Network::Facebook => {
            "Please send me a direct message first."
        }
    };
    format!("I have a private message for you and can't deliver it. {how} Then the next one will reach you.")
}

pub fn reply_must_be_public(code: &Code) -> String {
    format!(
        "I can't carry a private message to the other side of {code}. Please reply to my post about it where I wrote it."
    )
}

/// A librarian's words for a patron whose network lets the desk reply to each post once, and has.
pub fn no_reply_left(code: &Code) -> String {
    format!(
        "{code}: on the patron's network I may reply to each of their posts once, and I have. \
         Your words did not reach them; please send them again when they have written again."
    )
}

/// An answer was longer than the one post that the patron's network allows.
pub fn answer_cut(code: &Code) -> String {
    format!(
        "{code}: only the beginning of your answer fits into the one post I may write there; the patron sees “[…]”. \
         When they reply, you can send the rest."
    )
}

/// In an invitation: how long the answer may be.
pub fn answer_in_one_post(weight_max: usize) -> String {
    // What the desk writes around it, with some room for letters that weigh more.
    let room = weight_max.saturating_sub(80);
    format!("\n(One short post is all I may write to this patron: up to {room} letters reach them.)")
}

pub fn capped(until: Timestamp, settings: &Settings) -> String {
    format!(
        "That's a lot of messages at once, so I'll pause here. Please write again after {}; what comes before then I won't read.",
        moment(until, settings)
    )
}

pub fn stopped() -> String {
    "Done: I won't write to you any more, and your open questions are withdrawn. If you ever write to me again, I'll answer.".to_owned()
}

pub fn forgotten() -> String {
    "Done: I've erased your questions and everything about you, and I'm deleting my posts to you.".to_owned()
}

pub fn which_question(codes: &[Code]) -> String {
    format!("Which one do you mean? Please add its code: {}.", join(codes.iter().map(Code::to_string)))
}

pub fn no_such_question() -> String {
    "I don't have an open question of yours that this could be about. Say my questions to see them, or just ask a new one.".to_owned()
}

pub fn help(settings: &Settings, is_librarian: bool) -> String {
    let keep = duration(settings.keep_for);
    let contact = settings
        .contact
        .as_ref()
        .map(|contact| format!(" Run by {}.", crate::desk::outbox::defused(contact)))
        .unwrap_or_default();
    let own = if is_librarian {
        "Your commands: join history, law · hours 18:00-22:00 Europe/Berlin weekdays · languages en, de · limit 2 · invitations 1 a day · away 24 Dec · pause 3 days · back · digest on · by name yes · leave · my questions · my help · sign as Ann Reader, Springfield Library · link. On an invitation: reply with the answer, or claim · pass · ask: … · refer to … · wrong subject, this is … · done · also: … · why me"
    } else {
        "Ask me anything in your own words; I find a librarian who knows. Then: status · cancel · thanks · solved · not solved. Librarians: say join and your subjects."
    };
    let learning = if settings.learn_from_questions {
        " When a librarian corrects the subject of a public question, my word lists may learn single words from it, until it is erased; to keep yours out, say no learning."
    } else {
        ""
    };
    format!(
        "{own}\n\nAnyone: stop · forget me. I keep ended questions for {keep}, then erase them.{learning}{contact}"
    )
}

/// To a greeting: how to ask.
pub fn greeting() -> String {
    "Hello! Ask me anything in your own words, right here, and I'll find a librarian who knows. Say help to see what else I can do.".to_owned()
}

pub fn not_invited() -> String {
    "I can't tell which question you mean. Reply to the invitation itself, or add the question's code."
        .to_owned()
}

pub fn my_questions(asked: &[String], invited: &[String]) -> String {
    let mut lines = Vec::new();
    if !asked.is_empty() {
        lines.push(format!("You asked: {}.", asked.join("; ")));
    }
    if !invited.is_empty() {
        lines.push(format!("You were asked: {}.", invited.join("; ")));
    }
    if lines.is_empty() { "You have no open questions here.".to_owned() } else { lines.join("\n") }
}

pub fn one_of_my_questions(question: &Question, subjects: &str) -> String {
    if question.state.is_held() {
        return format!("{} (the coordinator will look at it)", question.code);
    }
    format!("{} ({subjects}, {})", question.code, question.state.word())
}

/// Where a question stands, for its patron.
pub fn status(question: &Question, subjects: &str, next: Option<Timestamp>, settings: &Settings) -> String {
    let code = &question.code;
    if question.state.is_held() {
        return format!("{code} waits until the coordinator has looked at it.");
    }
    let asked = match question.invitations.len() {
        0 => "nobody could be asked".to_owned(),
        1 => "one librarian was asked".to_owned(),
        count => format!("{} librarians were asked", number(count)),
    };
    let so_far = if question.invitations.is_empty() { "yet" } else { "so far" };
    let next = next.map(|at| format!(" I'll look for more at {}.", moment(at, settings))).unwrap_or_default();
    match &question.state {
        State::Seeking => format!("{code} ({subjects}): {asked} {so_far}.{next}"),
        State::Claimed { .. } => format!("{code} ({subjects}): a librarian is working on it."),
        State::Interview { .. } => {
            format!("{code} ({subjects}): the librarian asked you something and waits for your reply.")
        }
        State::Answered { .. } => {
            format!("{code} ({subjects}): answered. Reply to ask more, or to say thanks.")
        }
        State::Closed => format!("{code} ({subjects}): answered and closed."),
        State::Unanswered => format!(
            "{code} ({subjects}): I found nobody who could answer. {asked}.",
            asked = capitalised(&asked)
        ),
        State::Withdrawn => format!("{code} ({subjects}): withdrawn."),
        State::Held { .. } => {
            format!(
                "{code}: I wasn't sure that this is a question, so the desk's coordinator will look at it."
            )
        }
    }
}

/// People's own words in a reply to them: short, and harmless.
fn quoted(words: &str) -> String {
    crate::desk::outbox::defused(&words.chars().take(40).collect::<String>())
}

/// A list in words: "history, law and music".
pub fn join(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A time for people whose own time zone is unknown: in the desk's, which is named, with the date,
/// because a day of the week alone may be the next or the one after it.
pub(crate) fn moment(at: Timestamp, settings: &Settings) -> String {
    let at = at.to_zoned_datetime(settings.time_zone.clone());
    // Zones without a name of their own for the time are known by their distance alone, such as `-03`.
    let zone = at.strftime("%Z").to_string();
    let zone = if zone.starts_with(['+', '-']) { format!("UTC{zone}") } else { zone };
    format!("{} {zone} on {}", at.strftime("%H:%M"), at.strftime("%A %-d %B"))
}

/// A length of time in the largest unit that is whole.
pub fn duration(length: SignedDuration) -> String {
    let minutes = length.as_mins();
    let (count, unit) = match minutes {
        _ if minutes % (24 * 60) == 0 && minutes >= 48 * 60 => (minutes / (24 * 60), "day"),
        _ if minutes % 60 == 0 && minutes >= 60 => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn number(count: usize) -> String {
    const WORDS: [&str; 11] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
