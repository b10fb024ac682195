//! What gives a language away: its commonest small words, its question words, and its own letters.
//!
//! The words are written with their accents and compared folded, like all words. Words that several
//! languages share stand with each of them; what they say about the one they say about the other.
//!
//! **Invariant:** a language stands here once, under its code, and there are at most 64 of them.

/// For each language its function words and the letters that few others write. A word that ends in
/// an apostrophe is one that clings to the next: the `l'` of `l'histoire`.
#[rustfmt::skip]
pub(super) const LANGUAGES: &[(&str, &str, &str)] = &[
    ("en", "a i the of and to in is was are were be been an that this these those it its for with on at from by as or \
        not but if what which who whom whose when where why how do does did doing done can could should would will \
        shall may might must have has had having there their they them he she his her him you your we our us my me \
        any some all more most than then into about between during after before over under out up also only such \
        other because while no yes both each same using used without within through against so am get need go make take made want see come just too very own way here now please i'm i've it's what's \
        don't doesn't isn't can't didn't that's there's who's how's i'd wasn't won't aren't", ""),
    ("de", "der die das dem den des ein eine einen einem einer eines und oder aber ist sind war waren wird werden \
        wurde wurden worden hat haben hatte hatten nicht kein keine keinen mit von vom zu zum zur im in am an auf \
        aus bei beim für über unter nach vor seit bis durch ohne um als wie was wer wen wem wessen wann wo woher \
        wohin warum wieso weshalb welche welcher welches welchen welchem ich du er sie es wir ihr mich mir sich man \
        mein meine meinen ihre ihren sein seine seinen unser kann können konnte soll muss müssen darf gibt dass ob \
        wenn weil auch noch nur schon sehr mehr so denn doch diese dieser dieses diesem diesen jede alle viele viel \
        wieviel zwischen gegen während damit dafür dazu hier dort ja nein etwas jemand", "ßäöü"),
    ("fr", "le la les un une des du de et ou où est sont était étaient été ont avait que qui quoi quel quelle quels \
        quelles quand comment pourquoi combien dans sur sous avec sans pour par pas ne plus moins très aussi mais \
        donc car ce cet cette ces il elle ils elles on nous vous je tu mon ma mes son sa ses leur leurs votre notre \
        au aux en se si peut peuvent peux faire fait entre depuis pendant comme être avoir même tout tous toutes \
        chez vers lui dont a l' d' qu' n' c' s' j' m' t' est-ce jusqu' lorsqu' puisqu' puis", "àâçèêëîïôùûœ"),
    ("es", "el la los las un una unos unas de del es son era eran fue fueron ser ha han había que qué quién quiénes \
        cuál cuáles cuándo dónde cómo cuánto cuántos cuánta cuántas por para con sin en entre sobre desde hasta \
        hacia al se su sus lo le les me mi mis te tu nos no más muy también pero porque como este esta estos estas \
        ese esa eso esto hay puede pueden si ya durante según cada todo todos todas otro otra año años tiene \
        tienen está están puedo y a o", "ñ¿¡áíóú"),
    ("it", "il lo la gli le un una uno di del della dello dei degli delle dal dalla dai da in nel nella nei nelle \
        con su sul sulla per tra fra è sono era erano fu furono stato stata ha hanno che chi cosa quale quali quando \
        dove come perché quanto quanti quante non più anche ma ed se si mi ti ci questo questa questi queste \
        quello quella suo sua suoi loro essere avere può possono posso al alla allo ai agli alle dopo prima durante \
        ogni tutti molto così viene l' dell' nell' all' un' d' c' sull' dall' quell' cos' dov' e i a o", "àèìòù"),
    ("pt", "o a os as um uma uns umas de do da dos das em no na nos nas por pelo pela pelos pelas para com sem \
        sobre entre até desde e ou é são era eram foi foram ser há tem têm tinha que quem qual quais quando onde \
        como porque quanto quantos quantas não mais muito também mas se seu sua seus suas ele ela eles elas este \
        esta isto esse essa isso ao à aos às pode podem eu meu minha você já depois antes durante cada todo todos \
        ano anos está estão posso", "ãõçáéêóôâú"),
    ("ca", "el la els les un una uns unes de del dels al als i o és són era eren va van fou ser ha han que què qui \
        quin quina quins quines quan on com quant quants per amb sense en entre sobre des fins es se seu seva seus \
        seves no més molt també però perquè aquest aquesta aquests aquestes hi ho pot poden si ja cada tot tots \
        totes altres any anys l' d' pel pels dins doncs n' s' està", "çàèéíïòóúü"),
    ("gl", "o a os as un unha uns unhas de do da dos das en no na nos nas por polo pola para con sen e ou é son era \
        foi foron ser hai ten teñen que quen cal cales cando onde como canto cantos non máis moito tamén pero se \
        seu súa ao á aos ás pode este esta iso eu meu miña dende ata", "ñáéíóú"),
    ("nl", "de het een en of is zijn was waren wordt worden werd werden heeft hebben had van in op aan met voor \
        door bij naar uit over onder tot tegen tussen te ter dat die dit deze wat wie waar wanneer waarom hoe welk \
        welke hoeveel niet geen maar ook nog als om er zich hij zij ze we wij ik je jij mijn uw hun haar kan \
        kunnen moet zal zou wel meer dan omdat tijdens na sinds al toen veel deze door heb ben bent", "ëï"),
    ("af", "die van en is wat wie waar wanneer waarom hoe nie het was vir met op aan dit ek jy hy sy ons julle \
        hulle kan sal moet baie hierdie daardie in se deur oor as om te na uit het", "ëê"),
    ("sv", "och att det den som en ett är var har hade på i av för med till från inte kan ska skulle vad vem vilken \
        vilket vilka när varför hur många mycket jag du han hon vi ni de dem sig sin sitt sina om eller men så \
        också efter under mellan mot genom utan vid än finns blir blev bli denna detta dessa mer år alla där här \
        vart vars kom sedan nu", "åäö"),
    ("da", "og at det den som en et er var har havde på i af for med til fra ikke kan skal skulle vil hvad hvem \
        hvilken hvilket hvilke hvornår hvor hvorfor hvordan mange meget jeg du han hun vi de dem sig sin sit sine \
        om eller men så også efter under mellem mod gennem uden ved end findes bliver blev blive denne dette disse \
        mere år alle der her nogle noget blandt være været nogen ud op nu sådan igen lidt hos samt \
        ligger fordi selv kun deres", "åæø"),
    ("no", "og at det den som en et er var har hadde på i av for med til fra ikke kan skal skulle vil hva hvem \
        hvilken hvilket hvilke når hvor hvorfor hvordan mange mye jeg du han hun vi de dem seg sin sitt sine om \
        eller men så også etter under mellom mot gjennom uten ved enn finnes blir ble bli denne dette disse mer år \
        alle der her noen noe blant være vært ein eit ikkje eg kva kven korleis ho dei frå ut opp nå \
        slik igjen litt hos samt ligger fordi selv kun deres", "åæø"),
    ("is", "og að það sem er var eru voru í á um við til frá með en ekki hver hvað hvar hvenær hvers hvernig hvaða \
        af því ég þú hann hún þið þeir þær þau sig sinn sína hafa hefur hafði verið vera eða líka eftir undir milli \
        fyrir yfir úr hjá þegar þar hér þetta þessi þess þessum margir mörg margar mikið ef nú svo get finn hverjir \
        hverju hvert hvor", "ðþæáéíóúýö"),
    ("fi", "ja on ei oli ovat olivat se että joka mikä mitä missä mistä mihin milloin miksi miten kuinka kuka ketkä \
        mitkä minkä kenen monta paljon tai mutta kun jos niin myös vain kuin sekä hän he minä sinä me te ne tämä \
        nämä tuo sen hänen heidän ole olla ollut en voi voiko voivat saa pitää jälkeen ennen aikana kanssa mukaan \
        ilman yli alla vuonna kaikki onko eivät siitä sitä jotka mille", "äö"),
    ("et", "ja on ei oli olid see et kes mis kus kust millal miks kuidas kui palju või aga ka siis nii ning oma ta \
        tema nad mina sina me te selle seda need olla olnud võib saab pärast enne ajal koos ilma üle all aastal \
        kõik mida milline millised millise kas mitu", "õäöü"),
    ("lt", "ir yra buvo kas ką kur kada kodėl kaip kiek koks kokia kokie kokios kokį kokiame kuris kuri kurie kurios \
        kurio kuriame iš su be per po prie nuo iki už apie bet ar arba taip ne tai šis ši šie jo jos jų jis ji jie \
        mano tavo savo kai kad jei būti turi gali ant dėl pagal tarp visi visus daugiau dar jau metais kam tapo į", 
        "ąčęėįšųūž"),
    ("lv", "un ir bija kas ko kur kad kāpēc kā cik kurš kura kuri kuras kurā kāds kāda kādi kādas no uz ar bez par \
        pie pēc līdz pirms vai bet arī tā tas šis šī viņš viņa viņi mans savu ja lai būt var kuru gada starp visi \
        vairāk vēl jau nav kam", "āčēģīķļņšūž"),
    ("pl", "w z na do od po za przez przy dla bez pod nad co kto kogo kiedy gdzie dlaczego jak jaki jaka jakie \
        jakiego jakich który która które którzy których ile czy jest są był była było były być ma mają nie tak ale \
        lub oraz albo się to ten ta te tego tej tym tych jego jej ich ona oni ja ty my mnie swój może można jako \
        tylko też już jeszcze między przed podczas wszystkie bardzo roku lat we ze i o skąd komu", "ąćęłńóśźż"),
    ("cs", "ve ze na do od po za pro při bez pod nad se si co kdo koho kdy kde proč jak jaký jaká jaké jakou \
        který která které kteří kterou kolik zda jestli je jsou byl byla bylo byli být má mají ne ale nebo to ten \
        ta ty toho tím těch jeho její jejich ona oni já my mě svůj může jako jen také už ještě mezi před během \
        všechny velmi roku není a i o odkud komu", "áčďéěíňřšťúůýž"),
    ("sk", "vo zo na do od po za pre pri bez pod nad sa si čo kto koho kedy kde prečo ako aký aká aké akou \
        ktorý ktorá ktoré ktorí ktorú koľko či je sú bol bola bolo boli byť má majú nie ale alebo to ten tá tie \
        toho tým tých jeho jej ich ona oni ja my mňa svoj môže len tiež už ešte medzi pred počas všetky veľmi roku \
        a i o odkiaľ komu", "áäčďéíĺľňóôŕšťúýž"),
    ("sl", "in je so bil bila bilo bili biti na do od po za pri brez pod nad kaj kdo koga kdaj kje zakaj kako \
        kateri katera katero katere koliko ali da ne pa tudi to ta ti tega tem teh njegov njen njihov ona oni jaz \
        mi se si svoj lahko kot samo že še med pred vsi zelo leta ki ter ni iz kakšen kakšna kakšno", "čšž"),
    ("hr", "i je su bio bila bilo bili biti na sa iz do od po za pri bez pod nad o što tko koga kada gdje zašto \
        kako koji koja koje kojeg kojim kojoj koliko da li ne pa također to taj ta ti toga tom tih njegov njezin \
        njihov ona oni ja mi se si svoj može kao samo već još između prije tijekom svi vrlo godine ili ali nije \
        šta ko gde sve", "čćđšž"),
    ("hu", "a az és hogy nem is egy van volt vannak voltak mi ki mit kit mikor hol honnan hová miért hogyan hány \
        mennyi melyik melyek milyen kik mik vagy de ha csak már még meg el fel le be ez azt ezt azok ezek én te ők \
        lehet kell után előtt alatt között szerint mint több minden nagyon év lett lesz való által volna kinek \
        mely ki", "áéíóöőúüű"),
    ("ro", "și de la în cu pe din pentru prin fără sub despre între până după este sunt era erau fost au avea are \
        ce cine care când unde cum cât câte câți nu mai foarte dar sau ori că să se îi îl le lui ei lor un o unei \
        unui ale al ai acest această aceste acești acel aceasta el ea noi voi eu tu meu mea poate pot fi tot toate \
        anul ani fi cui a", "ăâîșțşţ"),
    ("sq", "dhe në të e i një për me nga është janë ishte ishin që kush çfarë cili cila cilët cilat kur ku pse si \
        sa nuk por ose edhe më shumë ky kjo këto ai ajo ata unë ti ne ju mund pas para gjatë midis deri kam ka kanë \
        së do", "ëç"),
    ("tr", "ve bir bu şu ile için de da mi mı mu mü ne kim hangi nerede zaman neden niçin nasıl kaç kadar olan \
        olarak oldu olduğu vardır var yok değil ama veya ya çok daha en gibi sonra önce göre kendi her tüm ise ki \
        nedir kimdir midir hangisi nereye nerededir kime ben sen biz siz onlar olmuştur edilen tarafından arasında \
        yılında nereden mıdır o", "ğışçöü"),
    ("id", "yang dan di ke dari dengan untuk pada adalah ini itu apa apakah siapa kapan dimana mana mengapa kenapa \
        bagaimana berapa tidak bukan atau tetapi juga dalam oleh saya kamu anda dia mereka kita kami akan telah \
        sudah bisa dapat ada sebagai antara setelah sebelum karena jika lebih banyak seperti para tahun", ""),
    ("vi", "của là có các một những được trong cho với không người này đó để khi từ như ai gì nào đâu nhiêu tại sao \
        thế năm đã sẽ đến về vào hay hoặc nhưng cũng rất nhiều theo trên dưới giữa sau trước và bao", "ăâđêôơư"),
    ("tl", "ang ng mga sa na ay at ni kay si sino ano kailan saan bakit paano ilan alin ito iyan iyon hindi ako \
        ikaw siya kami tayo sila ko mo niya nila may mayroon para kung dahil pero din rin lang naman nang isang \
        mula noong anong", ""),
    ("sw", "na ya wa kwa ni katika za la cha vya nini nani lini wapi vipi ngapi gani kuwa hii hiyo huyu yake wake \
        zake alikuwa ilikuwa hakuna lakini au pia kama baada kabla ambayo kutoka hadi ipi yupi", ""),
    ("ht", "nan yon ki pou nou li yo te pa se ak sou gen sa kote kilè poukisa kijan konbyen kisa kiyès sila lè men \
        oswa anpil tout la apre anvan pandan ant moun ou mwen", "èò"),
    ("eu", "eta da zer nor non noiz nola zergatik zein zenbat dira zen ziren bat du dute ez bai baina edo ere hau \
        hori dago daude zituen nork nondik", ""),
    ("cy", "yn y yr a i o ar gan gyda am beth pwy pryd ble pam sut faint mae oedd oes yw ydy ydw nid ddim ac neu \
        ond hefyd wedi bod eu ei fy pa sawl roedd", "ŵŷ"),
    ("ga", "agus an na is bhí tá níl cad cé cathain cá conas cén ag ar as do leis ach nó seo sin sé sí iad a go \
        raibh mé tú cé i", "áéíóú"),
    ("eo", "kaj la de en estas estis kio kiu kiuj kiam kie kial kiel kiom ne sed aŭ por kun sen pri al el ĉu mi vi \
        li ŝi ĝi ili tio tiu estos", "ĉĝĥĵŝŭ"),
    ("ru", "и в во на не что кто кого кому когда где куда откуда почему зачем как какой какая какое какие каких \
        каком какую сколько который которая которое которые которых чем чей чья это этот эта эти был была было были \
        быть есть для из от до по при под над без с со у о об за но или же бы ли так также только уже еще он она \
        оно они я ты мы вы его ее их мой свой может можно между после перед году лет все всех очень если к", 
        "ыэёъ"),
    ("uk", "і й в у на не що хто кого кому коли де куди звідки чому навіщо як який яка яке які яких якому якій \
        скільки котрий чий це цей ця ці був була було були бути є для із з від до по при під над без о об за але \
        або чи ж би так також тільки вже ще він вона воно вони я ти ми ви його її їх мій свій може можна між після \
        перед році років все всі дуже якщо та", "іїєґ"),
    ("be", "і й у ў на не што хто каго каму калі дзе куды адкуль чаму навошта як які якая якое якіх якім якой \
        колькі гэта гэты гэтая былі быў была было быць ёсць для з са ад да па пры пад над без за але або ці ж бы \
        так таксама толькі ужо яшчэ ён яна яно яны я ты мы вы яго яе іх мой свой можа можна паміж пасля перад годзе \
        гадоў усе усіх вельмі", "іўыэ"),
    ("bg", "и в във на не що какво кой коя кое кои кого кога къде откъде защо как какъв каква какви колко чий това \
        този тази тези беше бил била били е са да за от до по при под над без със с но или ли че ще се си го му им \
        той тя то те аз ти ние вие може между след преди година години всички много ако като които който която \
        което", "ъ"),
    ("sr", "и је су био била било били бити у на са из до од по за при без под над о шта што ко кога када где зашто \
        како који која које којег којим којој колико да ли не па такође то тај та његов његова њихов он она они ја \
        ми се си свој може као само већ још између пре током сви веома године или али није \
        i je su bio bila bilo bili biti na sa iz do od po za pri bez pod nad šta što ko koga kada gde zašto kako \
        koji koja koje kojeg kojim koliko da li ne pa takođe to taj ta ti toga ona oni ja mi se si svoj može kao \
        samo već još između pre tokom svi veoma godine ili ali nije", "čćđšžјљњћђџ"),
    ("mk", "и е се на во од до за со без под над што кој која кое кои кога каде зошто како колку дали не тоа тој таа \
        тие беше била биле може меѓу по пред сите многу година или ама", "ѓќѕјљњџ"),
    ("kk", "және мен бен пен бұл қай қандай кім не қашан қайда неге қалай қанша үшін болып табылады бар жоқ емес", 
        "әғқңөұүһі"),
    ("ba", "һәм менән был ниндәй ниндей кем нимә ҡасан ҡайҙа нисек нисә өсөн булған юҡ түгел кемдәр", "ҙҡҫғәөүһң"),
    ("ar", "من في ما هي هو متى أين كيف لماذا هل التي الذي على إلى عن كم أي ماذا كان كانت هذا هذه مع بعد قبل أن لم لا \
        ذلك تم و أو بين كل عند", "ةىأإ"),
    ("fa", "این است که از در به با را چه چی کی کجا چرا چگونه چند کدام برای آن و یا هم تا بود شد های", "پچژگکی"),
    ("ur", "ہے ہیں کا کی کے میں کیا کون کب کہاں کیوں کیسے کتنے نے سے پر اور یہ وہ تھا تھے کس", "ٹڈڑےںہھ"),
    ("hi", "है हैं का की के में क्या कौन कब कहाँ कहां क्यों कैसे कितने किस ने से पर और यह वह था थे थी को", ""),
    ("mr", "आहे आहेत काय कोण कधी कुठे का कसे किती चा ची चे मध्ये आणि हा ही हे होते होता नाही", "ळ"),
    ("ne", "छ छन् हो के को कहिले कहाँ किन कसरी कति मा र यो त्यो थियो थिए हुन्छ", ""),
];
