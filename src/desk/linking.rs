//! One person, several accounts: `link` in private gives a one-time code, and `link k7q4-…` from another
//! account joins the two. Both accounts have then written to the desk themselves.
//!
//! What belongs to a librarian (subjects, hours, limits, record) lies with one of the accounts, the one
//! last heard of, so that invitations go there and no limit counts twice. A question moves to another
//! account of the same person when they speak about it from there.
//!
//! **Invariant:** no account is joined to another by guessing. `stop`, `no learning` and `forget me` said
//! from one account hold for all.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::desk::conversation::Spoken;
use crate::desk::draft::{Draft, Words};
use crate::desk::ids::Code;
use crate::desk::letter::Purpose;
use crate::desk::person::{Librarian, Person};
use crate::desk::post::{Account, AccountId, Network, PostId, Visibility};
use crate::desk::step::Outcome;
use crate::desk::wording;

/// How long a one-time code can be used.
const CODE_VALID_FOR: SignedDuration = SignedDuration::from_mins(15);

/// How many accounts one person can have here.
const ACCOUNTS_MAX: usize = 5;

/// How many groups of four signs a one-time code has: 180,000 million codes.
const GROUPS: usize = 3;
const LETTERS: &[u8; 15] = b"cdfghjkmnpqrtwx";
const DIGITS: &[u8; 5] = b"34679";

/// A one-time code that was given out, such as `k7q4-c3d6-h9j3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTime {
    code: OneTimeCode,
    until: Timestamp,
}

/// The code itself. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OneTimeCode(String);

impl std::fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[one-time code]")
    }
}

impl OneTimeCode {
    /// The code that a number stands for, of which nobody can know anything before.
    fn from_chance(mut chance: u64) -> OneTimeCode {
        let mut pick = |signs: &[u8]| {
            let count = signs.len() as u64;
            let sign = signs.get((chance % count) as usize).copied().unwrap_or(b'x');
            chance /= count;
            char::from(sign)
        };
        let groups: Vec<String> = (0..GROUPS)
            .map(|_| [pick(LETTERS), pick(DIGITS), pick(LETTERS), pick(DIGITS)].iter().collect())
            .collect();
        OneTimeCode(groups.join("-"))
    }

    /// Reads a code as people type it, with or without the dashes.
    pub fn parse(text: &str) -> Option<OneTimeCode> {
        let signs: String = text
            .chars()
            .filter(|sign| !sign.is_whitespace() && !matches!(sign, '-' | '–' | '.'))
            .flat_map(char::to_lowercase)
            .collect();
        let fits = |(at, sign): (usize, u8)| {
            if at % 2 == 0 { LETTERS.contains(&sign) } else { DIGITS.contains(&sign) }
        };
        let is_code = signs.len() == 4 * GROUPS && signs.bytes().enumerate().all(fits);
        let groups: Vec<&str> =
            signs.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
        is_code.then(|| OneTimeCode(groups.join("-")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Under what the books say to whom this code was given, on each network: like a post, so that it is
    /// found by name and goes when its person goes.
    pub fn posts(&self) -> impl Iterator<Item = PostId> + '_ {
        Network::ALL.into_iter().map(|network| self.post(network))
    }

    fn post(&self, network: Network) -> PostId {
        PostId::new(network, format!("link:{}", self.0))
    }
}

/// `link`: gives out a one-time code, to nobody's eyes but theirs.
pub(crate) fn begin(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author;
    if !spoken.post.visibility.is_private() {
        draft.reply(spoken.post, Purpose::Reply, wording::accounts::link_in_private());
        return Outcome::Helped;
    }
    let code = OneTimeCode::from_chance(draft.view.chance);
    let until = draft.now.checked_add(CODE_VALID_FOR).unwrap_or(Timestamp::MAX);
    draft.link(code.post(author.id.network), None, author.id.clone());
    draft.reply(spoken.post, Purpose::Reply, wording::accounts::link_code(code.as_str(), CODE_VALID_FOR));
    draft.person_mut(author).one_time = Some(OneTime { code, until });
    Outcome::Commanded
}

/// `link k7q4-c3d6-h9j3`: joins this account to the one that was given the code.
pub(crate) fn complete(draft: &mut Draft<'_>, spoken: &Spoken<'_>, code: &OneTimeCode) -> Outcome {
    let author = &spoken.post.author;
    let given = |person: &&Person| {
        let one_time = person.one_time.as_ref();
        person.account.id != author.id
            && one_time.is_some_and(|given| given.code == *code && draft.now < given.until)
    };
    let Some(other) = draft.view.others.iter().find(given).map(|person| person.account.clone()) else {
        draft.reply(spoken.post, Purpose::Reply, wording::accounts::link_unknown());
        return Outcome::Helped;
    };
    let mut accounts = accounts_of(draft, &author.id);
    accounts.extend(accounts_of(draft, &other.id));
    accounts.sort_by(|one, another| one.id.cmp(&another.id));
    accounts.dedup_by(|one, another| one.id == another.id);
    if ACCOUNTS_MAX < accounts.len() {
        draft.reply(spoken.post, Purpose::Reply, wording::accounts::link_too_many(ACCOUNTS_MAX));
        return Outcome::Helped;
    }
    let objects = accounts.iter().any(|account| draft.person(&account.id).is_some_and(|one| one.no_learning));
    for account in &accounts {
        let rest = accounts.iter().filter(|one| one.id != account.id).map(|one| one.id.clone());
        let person = draft.person_mut(account);
        person.linked = rest.collect();
        person.one_time = None;
        person.no_learning = objects;
        person.stopped = false;
    }
    follow(draft, author);
    draft.reply(spoken.post, Purpose::Reply, wording::accounts::linked());
    // Said to the other account as well, in case the code fell into wrong hands.
    let _ = draft.write(Words {
        purpose: Purpose::Reply,
        to: &other,
        about: None,
        original: Visibility::Direct,
        place: None,
        words_of: None,
        body: wording::accounts::linked_elsewhere(author.id.network),
    });
    Outcome::Commanded
}

/// `unlink`: this account goes alone again. What belongs to the librarian stays with it.
pub(crate) fn unlink(draft: &mut Draft<'_>, spoken: &Spoken<'_>) -> Outcome {
    let author = &spoken.post.author;
    let others: Vec<Account> =
        accounts_of(draft, &author.id).into_iter().filter(|account| account.id != author.id).collect();
    for other in &others {
        draft.person_mut(other).linked.remove(&author.id);
    }
    draft.person_mut(author).linked.clear();
    draft.reply(spoken.post, Purpose::Reply, wording::accounts::unlinked(!others.is_empty()));
    Outcome::Commanded
}

/// All accounts of the person that this account belongs to, itself among them.
pub(crate) fn accounts_of(draft: &Draft<'_>, account: &AccountId) -> Vec<Account> {
    let Some(person) = draft.person(account) else { return Vec::new() };
    let others = person.linked.iter().filter_map(|other| draft.person(other));
    others.chain([person]).map(|person| person.account.clone()).collect()
}

/// Brings what belongs to a librarian to the account that they now write from.
pub(crate) fn follow(draft: &mut Draft<'_>, author: &Account) {
    for other in accounts_of(draft, &author.id) {
        if other.id == author.id || draft.person(&other.id).is_none_or(|person| person.librarian.is_none()) {
            continue;
        }
        let Some(theirs) = draft.person_mut(&other).librarian.take() else { continue };
        let librarian = &mut draft.person_mut(author).librarian;
        *librarian = Some(match librarian.take() {
            Some(own) => united(own, theirs),
            None => theirs,
        });
    }
}

/// Two librarians who turn out to be one: what they take together, and the newer of their wishes where
/// those differ.
fn united(own: Librarian, other: Librarian) -> Librarian {
    let (mut newer, older) = if own.opted_in_at < other.opted_in_at { (other, own) } else { (own, other) };
    newer.opted_in_at = older.opted_in_at.or(newer.opted_in_at);
    newer.subjects.extend(older.subjects);
    newer.languages.extend(older.languages);
    newer.open.extend(older.open);
    newer.limit = newer.limit.min(older.limit);
    newer.asked_at = newer.asked_at.max(older.asked_at);
    newer.asked_total = newer.asked_total.saturating_add(older.asked_total);
    newer.answered_total = newer.answered_total.saturating_add(older.answered_total);
    newer
}

/// Hands a question over to the account from which its patron or librarian now speaks about it.
pub(crate) fn take_over(draft: &mut Draft<'_>, code: &Code, author: &Account) {
    let Some(linked) = draft.person(&author.id).map(|person| person.linked.clone()) else { return };
    let Some(question) = draft.question_mut(code).filter(|question| !question.involves(&author.id)) else {
        return;
    };
    if linked.contains(&question.patron.id) {
        question.patron = author.clone();
    }
    let theirs = question.invitations.iter_mut().filter(|one| linked.contains(&one.librarian.id));
    for invitation in theirs {
        invitation.librarian = author.clone();
        invitation.place = None;
    }
    for other in &linked {
        question.state.rename_owner(other, &author.id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_code_is_read_however_it_is_typed(chance: u64) {
            let code = OneTimeCode::from_chance(chance);
            let bare = code.as_str().replace('-', "");
            for typed in [code.as_str(), &bare, &bare.to_uppercase(), &format!(" {} ", code.as_str())] {
                prop_assert_eq!(OneTimeCode::parse(typed), Some(code.clone()), "{}", typed);
            }
        }
    }

    #[test]
    fn what_is_no_code() {
        for text in ["", "k7q4", "k7q4-c3d6-h9j", "k7q4-c3d6-h9j3-k7q4", "K7Q4C3D6H9JA", "my library card"] {
            assert_eq!(OneTimeCode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_is_not_printed() {
        assert_eq!(format!("{:?}", OneTimeCode::from_chance(1)), "[one-time code]");
    }
}
