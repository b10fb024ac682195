//! Lengths of time as people write them in `bot.toml`: a number and a unit, such as `10m` or `3 days`.
//!
//! **Invariant:** a day is 24 hours here; nothing depends on a calendar or a time zone.

use jiff::SignedDuration;

/// What to do about a length of time that cannot be read.
pub(super) const HINT: &str = "write a number and a unit, such as \"45s\", \"10m\", \"2h\" or \"3 days\"";

/// Why a text is no length of time, in words for the user.
pub(super) type Why = &'static str;

/// Reads one number and one unit: seconds, minutes, hours, days or weeks.
pub(super) fn parse(text: &str) -> Result<SignedDuration, Why> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let Some((number, unit)) = text.split_at_checked(digits) else {
        return Err("this is not a length of time");
    };
    if number.is_empty() {
        return Err("this is not a length of time");
    }
    let seconds_each: i64 = match unit.trim() {
        "" => return Err("this length of time has no unit"),
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return Err("this length of time has a unit that is not known"),
    };
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(seconds_each));
    seconds.map(SignedDuration::from_secs).ok_or("this length of time is too long")
}

/// Writes a length of time in the largest unit that fits evenly.
pub(super) fn show(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let units = [(604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let (each, unit) = units.into_iter().find(|(each, _)| seconds % each == 0).unwrap_or((1, "second"));
    let number = seconds / each;
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}
