//! Words that stand in questions about anything, in the languages that rules are mostly written in.
//!
//! **Invariant:** only advice comes of this list; no term counts less because it is in it.

use std::collections::BTreeSet;

use crate::subjects::language::Language;
use crate::subjects::words::fold_phrase;

/// Function words, and the words people ask with.
const ENGLISH: &str = "\
    a about above across after again against ago all almost along already also always am among an and any anybody \
    anyone anything are aren't around as ask at away back be because been before behind being below best better \
    between both but by called came can can't come could did didn't different do does doesn't doing don't done down \
    each either else enough even ever every everybody everyone everything example explain far few find first for \
    found from get getting give go goes going good got had has have having he help her here hers him his how however \
    i if in instead into is isn't it its just kind know last less let like little long look looking lot made make \
    many may maybe me might mine more most much must my name need never new no nobody none nor not \
    now of off often on once one only or other others our out over own people please possible question questions \
    quite rather really reason right same see seem she should similar since so some somebody someone something \
    sometimes still such sure take tell than thank thanks that the their theirs them then there these they thing \
    things think this those though through time to together too try trying two under until up upon us use used using \
    very want was way ways we well went were what whatever when where whether which while who whom whose why will \
    with within without work works would wrong yes yet you your yours";

const SPANISH: &str = "\
    a al algo alguien alguna alguno algunos ante antes aquel aqui asi aun aunque bien bueno cada casi como con cosa \
    cosas cual cuales cualquier cuando cuanto cuanta cuantos de debe deben decir del desde despues donde dos durante \
    el ella ellas ellos en encontrar entonces entre era eran es esa ese eso esta estaba estan estar este esto estos \
    existe favor fue fueron gracias ha habia hace hacer hacia han hasta hay la las le les lo los mas me mejor menos \
    mi mientras mis misma mismo mucho muchos muy nada nadie ni ningun no nos nosotros nuestra nuestro nunca o otra \
    otro otros para pero poco por porque pregunta primer primera puede pueden puedo pues que quien quienes quiero \
    saber se sea segun ser si siempre sido sin sobre solo son su sus tal tambien tan tanto te tener tengo tiene \
    tienen toda todas todo todos tu tus un una unas uno unos usted ustedes va vez y ya yo";

const FRENCH: &str = "\
    a afin ai ainsi alors apres as assez au aucun aucune aussi autre autres aux avant avec avoir beaucoup bien bon \
    bonne bonjour c'est ca car ce ceci cela celle celui cependant ces cet cette ceux chaque chez chose choses comme \
    comment contre d'un d'une dans de depuis des deux devant dire dois doit donc dont du elle elles en encore entre \
    est et etaient etait etant ete etes etre eu eux fait faire faut fois font ici il ils j'ai je jamais jusque la \
    laquelle le lequel les leur leurs lors lorsque lui ma mais me meilleur meme memes merci mes mieux moi moins mon \
    ne ni nom non nos notre nous on ont ou par parce pas pendant personne peu peut peuvent peux plus plusieurs plutot \
    pour pourquoi pouvez premier presque puis qu'est qu'il quand que quel quelle quelles quelqu'un quelque quelques \
    quels question qui quoi rien s'il sa sans savoir se selon sera ses seulement si soit son sont sous souvent sur \
    ta tel tes toi ton toujours tous tout toute toutes tres trouver trop tu un une veux vos votre vous vraiment y";

const GERMAN: &str = "\
    ab aber alle allem allen aller alles als also am an andere anderen anderer anderes auch auf aus bei beim bekommen \
    besser beste besten bin bis bitte bist da dabei dafür damit danach danke dann daran darauf darf das dass davon \
    dazu dein deine dem den denn der deren des dessen die dies diese diesem diesen dieser dieses dir doch dort du \
    durch dürfen ein eine einem einen einer eines einige einmal er es etwa etwas euch euer findet finden frage fragen \
    für gab ganz gegen geht gemacht genau gibt gut gute guten habe haben hallo hat hatte hätte heißt hier hilfe ich \
    ihm ihn ihnen ihr ihre im immer in ins irgendwie ist ja jede jedem jeden jeder jedes jemand jetzt kann kannst \
    kein keine keinen können könnte lassen machen macht man mehr mein meine meinem meinen meiner mich mir mit möchte \
    möglich muss müssen nach name neben nein nicht nichts nie niemand noch nur ob oder oft ohne schon sehr sein seine \
    seinem seinen seit sich sie sind so solche soll sollte sonst suche über um und uns unser unter viel viele vielen \
    vom von vor wann war waren warum was wegen weiß welche welchem welchen welcher welches wenn wer werden wie wieder \
    will wir wird wissen wo woher wohin wollen worden wurde wurden würde zu zum zur zwei zwischen";

/// The common words of one language, folded.
#[derive(Debug, Default)]
pub(super) struct CommonWords(BTreeSet<String>);

impl CommonWords {
    /// None are known of other languages.
    pub(super) fn of(language: Language) -> CommonWords {
        let words = match language.code() {
            "en" => ENGLISH,
            "es" => SPANISH,
            "fr" => FRENCH,
            "de" => GERMAN,
            _ => "",
        };
        CommonWords(words.split_whitespace().map(fold_phrase).collect())
    }

    /// Whether a folded word is one of them.
    pub(super) fn contain(&self, folded: &str) -> bool {
        self.0.contains(folded)
    }

    /// One of them that begins so.
    pub(super) fn beginning_with(&self, folded: &str) -> Option<&str> {
        let first = self.0.range(folded.to_owned()..).next()?;
        first.starts_with(folded).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_known_as_they_are_folded() {
        let rows = [
            ("en", "which", true),
            ("en", "ottoman", false),
            ("de", "fur", true),
            ("de", "wer", true),
            ("fr", "tres", true),
            ("es", "donde", true),
            ("it", "dove", false),
        ];
        for (tag, word, expected) in rows {
            let common = CommonWords::of(Language::parse(tag).unwrap());
            assert_eq!(common.contain(word), expected, "{tag} {word}");
        }
        let common = CommonWords::of(Language::ENGLISH);
        assert_eq!(common.beginning_with("whe"), Some("when"));
        assert_eq!(common.beginning_with("ottoman"), None);
        assert_eq!(common.beginning_with("zzz"), None);
    }
}
