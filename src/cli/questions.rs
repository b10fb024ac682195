//! `stumper questions`: what was asked, where it stands, and stepping in.
//!
//! **Invariant:** a patron's words are shown by `show` and `export` only, to whoever runs the desk.

use clap::Subcommand;
use jiff::Timestamp;

use crate::cli::Exit;
use crate::cli::librarians::{tell, wish_id};
use crate::cli::output::{self, Problem};
use crate::cli::reach::{self, Reached};
use crate::clock;
use crate::config::Config;
use crate::desk::question::{Fate, FoundSubject, Invitation, Reason, Why};
use crate::desk::{Code, Visibility};
use crate::engine::control::{Details, QUESTIONS_MAX, QuestionRow, Reply, Request, Which};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the questions that have not ended.
    List {
        /// Show those that have ended as well.
        #[arg(long)]
        all: bool,
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
    /// End a question, telling its patron.
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
        Command::List { all, json } => list(desk, if all { Which::All } else { Which::Open }, json).await,
        Command::Show { code, json: false } => {
            let details = details(desk, code).await?;
            output::data(&show(&details, clock::now()))
        }
        Command::Show { code, json: true } | Command::Export { code } => {
            output::json(&details(desk, code).await?)
        }
        Command::Close { code } => {
            let reply = desk.ask(Request::Close { id: wish_id()?, code }).await?;
            tell(&reply, "the question is closed; a patron without an answer is told");
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
    let Reply::Questions { questions, more } = desk.ask(Request::Questions { which }).await? else {
        return Err(Problem::wrong_reply());
    };
    if more {
        output::note(&format!("only the {QUESTIONS_MAX} oldest are shown"));
    }
    if json {
        return questions.iter().try_for_each(output::json);
    }
    if questions.is_empty() {
        let what = match which {
            Which::Open => "no open questions; see those that have ended with `--all`",
            Which::All => "no questions",
        };
        output::note(what);
        return Ok(());
    }
    let now = clock::now();
    let rows: Vec<Vec<String>> = questions.iter().map(|row| cells(row, now)).collect();
    output::data(&output::table(&["CODE", "STATE", "SUBJECT", "AGE", "ASKED", "OWNER"], &rows))
}

fn cells(row: &QuestionRow, now: Timestamp) -> Vec<String> {
    vec![
        row.code.to_string(),
        row.state.clone(),
        row.subject.as_ref().map_or("general desk".to_owned(), ToString::to_string),
        output::age(now, row.asked_at),
        row.asked.to_string(),
        row.owner.clone().unwrap_or_else(|| "-".to_owned()),
    ]
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
    text.push_str("Why this subject\n");
    text.push_str(&subjects(&question.subjects));
    text.push_str("\nWhy these librarians\n");
    text.push_str(&invitations(&question.invitations, now));
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

fn invitations(invitations: &[Invitation], now: Timestamp) -> String {
    if invitations.is_empty() {
        return "    nobody was asked yet\n".to_owned();
    }
    let line = |invitation: &Invitation| {
        format!(
            "    {}:{}, {}; asked {} ago, {}\n",
            invitation.librarian.id.network,
            output::line(&invitation.librarian.handle),
            why(&invitation.why),
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
        Why::Generalist => "who takes any question".to_owned(),
        Why::Language { language } => format!("who speaks {}", output::line(language)),
        Why::Referred => "to whom a colleague referred it".to_owned(),
        Why::Assigned => "to whom the coordinator gave it".to_owned(),
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Waiting => "has not replied yet",
        Fate::Claimed => "took it",
        Fate::Passed => "passed",
        Fate::Lapsed => "too late: time passed or somebody else took it",
        Fate::Undelivered => "could not be reached",
    }
}

fn next(reason: Reason) -> &'static str {
    match reason {
        Reason::AskNext => "the next librarians are asked",
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
