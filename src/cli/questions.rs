//! `stumper questions`: what was asked, where it stands, and stepping in.
//!
//! **Invariant:** a patron's words are shown by `show` and `export` only, to whoever runs the desk.

use clap::Subcommand;
use jiff::Timestamp;

use crate::cli::Exit;
use crate::cli::labelled;
use crate::cli::librarians::{tell, wish_id};
use crate::cli::output::{self, Problem};
use crate::cli::reach::{self, Reached};
use crate::clock;
use crate::config::Config;
use crate::desk::outlets::{Offer, OfferFate, Publicity, Verdict};
use crate::desk::question::{Correction, Fate, FoundSubject, Invitation, Reason, State, Why};
use crate::desk::{Code, Visibility};
use crate::engine::control::{Details, QUESTIONS_MAX, QuestionRow, Reply, Request, Which};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the questions that have not ended.
    List {
        /// Show those that have ended as well.
        #[arg(long)]
        all: bool,
        /// Show posts that are held back because they seem to be spam or abuse.
        #[arg(long, conflicts_with = "all")]
        held: bool,
        /// Write one JSON object for each question.
        #[arg(long)]
        json: bool,
    },
    /// Show everything about one question: why this subject, why these librarians, what happened.
    Show {
        /// The question's code, such as `K7Q4`.
        #[arg(value_parser = code)]
        code: Code,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take a held post for a question after all: librarians are asked, its patron is told.
    Release {
        #[arg(value_parser = code)]
        code: Code,
    },
    /// End a question, telling its patron; or agree that a held post is none, telling nobody.
    Close {
        #[arg(value_parser = code)]
        code: Code,
    },
    /// Offer a question to one librarian.
    Reassign {
        #[arg(value_parser = code)]
        code: Code,
        /// The librarian: `network:handle`, or the handle alone.
        to: String,
    },
    /// Pass on to the patron what a stranger offered as an answer to their published question.
    Relay {
        #[arg(value_parser = code)]
        code: Code,
        /// Its number, as `show` tells it.
        number: u32,
    },
    /// Put aside what a stranger offered as an answer. Nobody is told.
    Dismiss {
        #[arg(value_parser = code)]
        code: Code,
        /// Its number, as `show` tells it.
        number: u32,
    },
    /// Write the questions that the rules may learn from, with the subject a librarian named: rows for
    /// `stumper rules eval`.
    Labelled {
        /// Write one JSON object for each question.
        #[arg(long)]
        json: bool,
    },
    /// Write all that is kept about one question to stdout as JSON, for its patron for example.
    Export {
        #[arg(value_parser = code)]
        code: Code,
    },
}

fn code(written: &str) -> Result<Code, String> {
    Code::parse(written).ok_or_else(|| "a code is letters and digits in turn, such as `K7Q4`".to_owned())
}

pub(super) async fn run(config: &Config, command: Command) -> Result<Exit, Problem> {
    let desk = reach::desk(config).await?;
    let result = carry_out(&desk, command).await;
    desk.leave().await?;
    result.map(|()| Exit::Fine)
}

async fn carry_out(desk: &Reached, command: Command) -> Result<(), Problem> {
    match command {
        Command::List { all, held, json } => {
            let which = match (all, held) {
                (_, true) => Which::Held,
                (true, false) => Which::All,
                (false, false) => Which::Open,
            };
            list(desk, which, json).await
        }
        Command::Show { code, json: false } => {
            let details = details(desk, code).await?;
            output::data(&show(&details, clock::now()))
        }
        Command::Show { code, json: true } | Command::Export { code } => {
            output::json(&details(desk, code).await?)
        }
        Command::Release { code } => {
            let reply = desk.ask(Request::Release { id: wish_id()?, code }).await?;
            tell(&reply, "it is a question now: librarians are asked, and its patron is told");
            Ok(())
        }
        Command::Labelled { json } => labelled::examples(desk)
            .await?
            .iter()
            .try_for_each(|example| if json { output::json(example) } else { output::data(&example.row()) }),
        Command::Close { code } => {
            let reply = desk.ask(Request::Close { id: wish_id()?, code }).await?;
            tell(&reply, "it is closed; a patron who asked and has no answer is told");
            Ok(())
        }
        Command::Relay { code, number } => {
            let request = Request::Judge { id: wish_id()?, code, number, verdict: Verdict::Relay };
            tell(&desk.ask(request).await?, "it is passed on to the patron");
            Ok(())
        }
        Command::Dismiss { code, number } => {
            let request = Request::Judge { id: wish_id()?, code, number, verdict: Verdict::Dismiss };
            tell(&desk.ask(request).await?, "it is put aside; nobody is told");
            Ok(())
        }
        Command::Reassign { code, to } => {
            let reply = desk.ask(Request::Reassign { id: wish_id()?, code, to }).await?;
            tell(&reply, "the question is offered to them");
            Ok(())
        }
    }
}

async fn details(desk: &Reached, code: Code) -> Result<Details, Problem> {
    let Reply::Question { details } = desk.ask(Request::Question { code }).await? else {
        return Err(Problem::wrong_reply());
    };
    Ok(*details)
}

async fn list(desk: &Reached, which: Which, json: bool) -> Result<(), Problem> {
    let Reply::Questions { questions, more, held } = desk.ask(Request::Questions { which }).await? else {
        return Err(Problem::wrong_reply());
    };
    if more {
        output::note(&format!("only the {QUESTIONS_MAX} oldest are shown"));
    }
    if which != Which::Held && held > 0 {
        output::note(&format!("{held} held back as no question; see why with `--held`"));
    }
    if json {
        return questions.iter().try_for_each(output::json);
    }
    if questions.is_empty() {
        let what = match which {
            Which::Open => "no open questions; see those that have ended with `--all`",
            Which::All => "no questions",
            Which::Held => "nothing is held back",
        };
        output::note(what);
        return Ok(());
    }
    let now = clock::now();
    if which == Which::Held {
        let rows: Vec<Vec<String>> = questions.iter().filter_map(|row| held_cells(row, now)).collect();
        return output::data(&output::table(&["CODE", "KIND", "AGE", "MORE", "BECAUSE"], &rows));
    }
    let rows: Vec<Vec<String>> = questions.iter().map(|row| cells(row, now)).collect();
    output::data(&output::table(&["CODE", "STATE", "SUBJECT", "AGE", "ASKED", "OWNER"], &rows))
}

fn cells(row: &QuestionRow, now: Timestamp) -> Vec<String> {
    vec![
        row.code.to_string(),
        state_cell(row),
        subject_cell(row),
        output::age(now, row.asked_at),
        row.asked.to_string(),
        row.owner.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn held_cells(row: &QuestionRow, now: Timestamp) -> Option<Vec<String>> {
    let held = row.held.as_ref()?;
    Some(vec![
        row.code.to_string(),
        held.kind.to_string(),
        output::age(now, row.asked_at),
        held.more.to_string(),
        held.because.join(", "),
    ])
}

/// The state, with what waits for the coordinator.
fn state_cell(row: &QuestionRow) -> String {
    match row.offers {
        0 => row.state.clone(),
        1 => format!("{} (1 offer)", row.state),
        count => format!("{} ({count} offers)", row.state),
    }
}

fn subject_cell(row: &QuestionRow) -> String {
    let subject = row.subject.as_ref().map_or("general desk".to_owned(), ToString::to_string);
    match row.corrected_by.as_deref() {
        Some(by) => format!("{subject} (says {})", name_of(by)),
        None => subject,
    }
}

/// A librarian's handle. Who said `forget me` has none any more.
fn name_of(handle: &str) -> String {
    if handle.is_empty() { "a librarian".to_owned() } else { output::line(handle) }
}

/// Everything about a question as a person reads it.
fn show(details: &Details, now: Timestamp) -> String {
    let question = &details.question;
    let owner =
        details.owner.as_ref().map(|owner| format!(", with {}", output::line(owner))).unwrap_or_default();
    let mut text = format!("{}: {}{owner}\n", question.code, question.state.word());
    text.push_str(&format!(
        "asked {} ago by {}:{}, {}{}\n\n{}\n",
        output::age(now, question.asked_at),
        question.patron.id.network,
        output::line(&question.patron.handle),
        visibility(question.visibility),
        question.language.as_ref().map(|tag| format!(", in {}", output::line(tag))).unwrap_or_default(),
        output::indented(question.text.reveal()),
    ));
    if let State::Held { kind, because, more } = &question.state {
        text.push_str(&format!("Held back as {kind} because of\n    {}\n", because.join(", ")));
        text.push_str(&format!("    {more} more of its author's posts were only counted\n"));
        text.push_str("    to take it for a question: `stumper questions release` and its code\n");
    } else {
        text.push_str("Why this subject\n");
        text.push_str(&match &question.correction {
            Some(correction) => corrected(correction, &question.subjects, now),
            None => subjects(&question.subjects),
        });
        text.push_str("\nWhy these librarians\n");
        text.push_str(&invitations(&question.invitations, now));
    }
    text.push_str(&published(&question.code, &question.publicity, now));
    if let Some((reason, at)) = details.next {
        text.push_str(&format!("\nNext\n    {} at {}\n", next(reason), output::time(at)));
    }
    text.push_str("\nWhat happened\n");
    for entry in &details.history {
        text.push_str(&format!("    {}  {}\n", output::time(entry.at), output::line(&entry.what)));
    }
    if details.waiting > 0 {
        text.push_str(&format!("\nWaiting to be sent: {}\n", details.waiting));
    }
    if !details.undelivered.is_empty() {
        text.push_str("\nNot delivered\n");
    }
    for letter in &details.undelivered {
        let (at, network) = (output::time(letter.at), letter.network);
        text.push_str(&format!("    {at}  {:?} on {network}: {:?}\n", letter.purpose, letter.why));
    }
    text
}

/// Whether everybody may see it, and what strangers offered; nothing where neither ever was.
fn published(code: &Code, publicity: &Publicity, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(published) = &publicity.published {
        let ago = output::age(now, published.at);
        text.push_str(&format!("\nPublished\n    the patron agreed {ago} ago, without their name\n"));
    }
    if !publicity.offers.is_empty() || publicity.unkept > 0 {
        text.push_str("\nOffered by strangers, passed on only by you\n");
    }
    text.extend(publicity.offers.iter().map(|offer| offered(offer, now)));
    if publicity.unkept > 0 {
        text.push_str(&format!("    {} more were not kept: too many, or spam\n", publicity.unkept));
    }
    if publicity.waiting() > 0 {
        text.push_str(&format!(
            "    to pass one on: `stumper questions relay {code} NUMBER`; to put it aside: `dismiss`\n"
        ));
    }
    text
}

fn offered(offer: &Offer, now: Timestamp) -> String {
    let fate = match offer.fate {
        OfferFate::Waiting => "",
        OfferFate::Relayed => ", passed on",
        OfferFate::Dismissed => ", put aside",
    };
    format!(
        "    {}. {}:{}, {} ago, {}{fate}\n{}",
        offer.number,
        offer.author.id.network,
        output::line(&offer.author.handle),
        output::age(now, offer.at),
        visibility(offer.visibility),
        output::indented(&output::indented(offer.text.reveal())),
    )
}

fn subjects(found: &[FoundSubject]) -> String {
    if found.is_empty() {
        return "    no rule matched well enough: the general desk\n".to_owned();
    }
    let line = |found: &FoundSubject| {
        let terms: Vec<String> = found.because.iter().map(|term| format!("\"{term}\"")).collect();
        format!("    {} ({:.0} %) because of {}\n", found.subject, found.confidence * 100.0, terms.join(", "))
    };
    found.iter().map(line).collect()
}

/// Who corrected the subject, and what the rules had found. A referral may have come after that.
fn corrected(correction: &Correction, now_in: &[FoundSubject], now: Timestamp) -> String {
    let by = name_of(&correction.by.handle);
    let ago = output::age(now, correction.at);
    let mut text = format!("    {}, because {by} said so {ago} ago\n", correction.to);
    for other in now_in.iter().filter(|found| found.subject != correction.to) {
        text.push_str(&format!("    {}, because a librarian referred it there\n", other.subject));
    }
    text.push_str("  The rules had found\n");
    text.push_str(&subjects(&correction.from));
    text
}

fn invitations(invitations: &[Invitation], now: Timestamp) -> String {
    if invitations.is_empty() {
        return "    nobody was asked yet\n".to_owned();
    }
    let line = |invitation: &Invitation| {
        format!(
            "    {}:{}, {}{}; asked {} ago, {}\n",
            invitation.librarian.id.network,
            output::line(&invitation.librarian.handle),
            why(&invitation.why),
            odds(invitation),
            output::age(now, invitation.sent_at),
            fate(invitation.fate),
        )
    };
    invitations.iter().map(line).collect()
}

fn why(why: &Why) -> String {
    match why {
        Why::Subject { subject } => format!("who takes {subject}"),
        Why::Parent { subject } => format!("who takes the wider subject {subject}"),
        Why::Neighbour { subject } => format!("who takes the near subject {subject}"),
        Why::Generalist => "who takes any question".to_owned(),
        Why::Language { language } => format!("who speaks {}", output::line(language)),
        Why::Referred => "to whom a colleague referred it".to_owned(),
        Why::Assigned => "to whom the coordinator gave it".to_owned(),
        Why::ByName => "for whom the patron asked".to_owned(),
        Why::Digest => "who took it from the list of stumpers".to_owned(),
    }
}

/// Why this person, and why not more or fewer, where it was by the odds.
fn odds(invitation: &Invitation) -> String {
    match (invitation.chance, invitation.together) {
        (0, _) | (_, 0) => String::new(),
        (chance, together) => {
            format!(" (chance to claim in time {chance} %; {together} % with all who were asked by then)")
        }
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Waiting => "has not replied yet",
        Fate::Claimed => "took it",
        Fate::Passed => "passed",
        Fate::Referred => "referred it",
        Fate::NotSolved => "answered, and the patron said that it is not solved",
        Fate::Misdirected => "said that it is of another subject",
        Fate::Lapsed => "too late: time passed or somebody else took it",
        Fate::Undelivered => "could not be reached",
    }
}

fn next(reason: Reason) -> &'static str {
    match reason {
        Reason::AskNext => "the next librarians are asked",
        Reason::Digest => "it is listed in the daily digest",
        Reason::GiveUp => "the patron is told that nobody was found",
        Reason::RemindOwner => "its librarian is reminded",
        Reason::ReleaseClaim => "it is given to others",
        Reason::InterviewOver => "the patron's time to reply is over",
        Reason::CloseQuiet => "the quiet conversation is closed",
        Reason::Erase => "it is erased",
    }
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Direct => "private",
        Visibility::Followers => "for followers",
        Visibility::Unlisted => "unlisted",
        Visibility::Public => "public",
    }
}
