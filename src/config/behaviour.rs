//! The sections of `bot.toml` that say how the desk behaves, whatever networks it is on.
//!
//! **Invariant:** what the file does not say stays as [`Settings`] has it by default.

use std::path::PathBuf;

use crate::config::reader::{Faults, Section, Sections};
use crate::config::{DAY, HOUR, MINUTE, is_language_tag};
use crate::desk::commands::hours;
use crate::desk::holidays::Holidays;
use crate::desk::{Library, Policy, Settings};

/// The longest name a desk can have: it must leave room in a post.
const NAME_CHARS_MAX: usize = 60;

/// The folders that the file names, or the usual ones.
pub(super) struct Folders {
    pub(super) rules: PathBuf,
    pub(super) data: PathBuf,
}

/// Reads these sections into `settings`.
pub(super) fn read(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) -> Folders {
    let folders = read_desk(sections, settings, faults);
    read_routing(sections, settings, faults);
    settings.libraries = read_libraries(sections, &settings.holidays, faults);
    read_privacy(sections, settings, faults);
    read_limits(sections, settings, faults);
    folders
}

fn read_desk(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) -> Folders {
    let mut section = sections.open("desk");
    if let Some((name, span)) = section.text("name", faults) {
        if name.trim().is_empty() || name.contains('@') || name.chars().count() > NAME_CHARS_MAX {
            faults.add(
                Some(span),
                "this cannot be the desk's name",
                "use one to 60 characters without `@`, such as \"the reference desk\"",
            );
        }
        settings.name = name.trim().to_owned();
    }
    if let Some((contact, _)) = section.text("contact", faults) {
        settings.contact = Some(contact.trim().to_owned()).filter(|contact| !contact.is_empty());
    }
    if let Some((language, span)) = section.text("language", faults) {
        if !is_language_tag(&language) {
            faults.add(Some(span), "this is not a language tag", "write one such as `en`, `de` or `pt-BR`");
        }
        settings.language = language;
    }
    if let Some((name, span)) = section.text("time_zone", faults) {
        match hours::zone_named(&name) {
            Some(zone) => settings.time_zone = zone,
            None => faults.add(
                Some(span),
                "there is no such time zone",
                "write one such as `Europe/Berlin`, `America/New_York` or `UTC`",
            ),
        }
    }
    settings.holidays = read_holidays(&mut section, faults);
    let mut folder = |key: &'static str, default: &str, faults: &mut Faults| match section.text(key, faults) {
        Some((path, span)) if path.trim().is_empty() => {
            faults.add(Some(span), "this folder has no name", &format!("write one such as \"{default}\""));
            PathBuf::from(default)
        }
        Some((path, _)) => PathBuf::from(path),
        None => PathBuf::from(default),
    };
    let (rules, data) = (folder("rules", "rules", faults), folder("data", "data", faults));
    section.close(faults);
    Folders { rules, data }
}

fn read_routing(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("routing");
    let sure = section.count("sure_from_percent", 0..=100, usize::from(settings.sure_from_percent), faults);
    settings.sure_from_percent = u8::try_from(sure).unwrap_or(settings.sure_from_percent);
    if let Some((policy, span)) = section.text("policy", faults) {
        match Policy::named(&policy) {
            Some(policy) => settings.policy = policy,
            None => faults.add(
                Some(span),
                "there is no such way to invite librarians",
                "write `waves`, `broadcast`, `one_at_a_time` or `round_robin`",
            ),
        }
    }
    let chance = usize::from(settings.claim_chance_percent);
    let chance = section.count("claim_chance_percent", 1..=99, chance, faults);
    settings.claim_chance_percent = u8::try_from(chance).unwrap_or(settings.claim_chance_percent);
    settings.claim_within = section.duration("claim_within", MINUTE * 2..=DAY, settings.claim_within, faults);
    settings.invite_at_most = section.count("invite_at_most", 1..=100, settings.invite_at_most, faults);
    let daily = section.count("invitations_per_day", 1..=100, settings.invitations_per_day as usize, faults);
    settings.invitations_per_day = u32::try_from(daily).unwrap_or(settings.invitations_per_day);
    settings.invite_at_once = section.count("invite_at_once", 1..=20, settings.invite_at_once, faults);
    let ask_next = section.span("ask_next_after");
    settings.ask_next_after =
        section.duration("ask_next_after", MINUTE..=DAY * 7, settings.ask_next_after, faults);
    settings.give_up_after =
        section.duration("give_up_after", MINUTE * 2..=DAY * 365, settings.give_up_after, faults);
    settings.remind_after =
        section.duration("remind_after", MINUTE..=DAY * 90, settings.remind_after, faults);
    settings.release_after =
        section.duration("release_after", MINUTE..=DAY * 90, settings.release_after, faults);
    settings.interview_for =
        section.duration("interview_for", HOUR..=DAY * 90, settings.interview_for, faults);
    settings.close_after = section.duration("close_after", HOUR..=DAY * 90, settings.close_after, faults);
    let limit = section.count("default_limit", 1..=100, settings.default_limit as usize, faults);
    settings.default_limit = u32::try_from(limit).unwrap_or(settings.default_limit);
    if faults.is_empty() && settings.ask_next_after >= settings.give_up_after {
        faults.add(
            ask_next,
            "`ask_next_after` is not shorter than `give_up_after`, so only the first librarians would ever be asked",
            "make `ask_next_after` shorter or `give_up_after` longer",
        );
    }
    section.close(faults);
}

fn read_holidays(section: &mut Section<'_>, faults: &mut Faults) -> Holidays {
    let mut holidays = Holidays::default();
    for (day, span) in section.text_list("holidays", faults) {
        if !holidays.add(&day) {
            let hint = "write one such as \"25 Dec\" for every year, or \"2027-03-26\" for one";
            faults.add(Some(span), "there is no such day", hint);
        }
    }
    holidays
}

/// The libraries that share the desk: one `[[library]]` for each.
fn read_libraries(sections: &Sections<'_>, of_all: &Holidays, faults: &mut Faults) -> Vec<Library> {
    let mut libraries: Vec<Library> = Vec::new();
    for mut section in sections.each("library") {
        let id = section.text("id", faults).map(|(id, _)| id.trim().to_owned()).unwrap_or_default();
        let name = section.text("name", faults).map(|(name, _)| name.trim().to_owned());
        let head_start = section.duration("head_start", MINUTE..=DAY * 7, HOUR, faults);
        let holidays = of_all.and(&read_holidays(&mut section, faults));
        let whole = section.whole();
        section.close(faults);
        let is_known = libraries.iter().any(|library| library.id == id);
        if id.is_empty() || is_known || id.eq_ignore_ascii_case("none") {
            let hint = "write `id = \"springfield\"`, another one for each library";
            faults.add(whole, "this library has no id of its own", hint);
            continue;
        }
        libraries.push(Library { name: name.unwrap_or_else(|| id.clone()), id, head_start, holidays });
    }
    libraries
}

fn read_privacy(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("privacy");
    settings.keep_for = section.duration("keep_for", HOUR..=DAY * 3_650, settings.keep_for, faults);
    settings.learn_from_questions =
        section.flag("learn_from_questions", faults).unwrap_or(settings.learn_from_questions);
    section.close(faults);
}

fn read_limits(sections: &Sections<'_>, settings: &mut Settings, faults: &mut Faults) {
    let mut section = sections.open("limits");
    let replies = settings.replies_per_person_hour;
    settings.replies_per_person_hour = section.count("replies_per_person_hour", 1..=1_000, replies, faults);
    let letters = settings.letters_per_question_hour;
    settings.letters_per_question_hour =
        section.count("letters_per_question_hour", 5..=1_000, letters, faults);
    settings.mentions_max = section.count("mentions_max", 0..=50, settings.mentions_max, faults);
    section.close(faults);
}
