"""Short everyday sentences in several languages, composed from phrases: the input of speech
engines.
"""

from __future__ import annotations

import re

import numpy as np

PATTERNS = (
    "{who} {does}.",
    "{who} {does} {when}.",
    "{hello}, {who} {does}.",
    "{hello}! {who} {does} {when}.",
    "{who} {does} {and} {who} {does}.",
    "{who} {does} {when}, {but} {who} {does}.",
    "{yes}, {who} {does} {when}.",
    "{who} {does}? {yes}, {when}.",
    "{hello}. {thanks}, {who} {does}.",
    "{who} {does} {when}: {number}.",
    "{number}, {number} {and} {number}. {thanks}.",
    "{yes}, {yes}, {but} {who} {does} {when}.",
)
SLOT = re.compile(r"{(\w+)}")

# In every language the subjects are third person singular of either gender, so that every predicate
# fits.
PHRASES = {
    "en": {
        "who": (
            "my sister",
            "the bank",
            "our neighbour",
            "the new doctor",
            "somebody from the office",
            "the old captain",
        ),
        "does": (
            "calls about the invoice",
            "brings two kilos of apples",
            "waits at the station",
            "reads a long letter",
            "asks for the password",
            "has lost the house key",
            "would like to change the appointment",
            "plays the violin rather badly",
            "keeps the garden in good order",
        ),
        "when": (
            "tomorrow morning",
            "on the third of June",
            "after the meeting",
            "every single day",
            "in a few minutes",
        ),
        "hello": ("hello", "good evening", "listen", "excuse me"),
        "yes": ("yes", "of course", "no"),
        "and": ("and",),
        "but": ("but", "while"),
        "thanks": ("thank you very much",),
    },
    "de": {
        "who": (
            "meine Schwester",
            "die Bank",
            "unser Nachbar",
            "der neue Arzt",
            "jemand aus dem Büro",
        ),
        "does": (
            "ruft wegen der Rechnung an",
            "wartet am Bahnhof",
            "liest einen langen Brief",
            "fragt nach dem Passwort",
            "sucht den Hausschlüssel",
            "möchte den Termin verschieben",
            "spielt ziemlich schlecht Geige",
        ),
        "when": (
            "und zwar morgen früh",
            "jedenfalls am dritten Juni",
            "meistens nach der Sitzung",
            "jeden Tag aufs Neue",
        ),
        "hello": ("guten Tag", "hören Sie", "Entschuldigung"),
        "yes": ("ja", "natürlich", "nein"),
        "and": ("und",),
        "but": ("aber", "doch"),
        "thanks": ("vielen Dank",),
    },
    "fr": {
        "who": (
            "ma sœur",
            "la banque",
            "notre voisin",
            "le nouveau médecin",
            "quelqu'un du bureau",
        ),
        "does": (
            "appelle pour la facture",
            "attend à la gare",
            "lit une longue lettre",
            "demande le mot de passe",
            "cherche la clé de la maison",
            "voudrait changer de rendez-vous",
            "joue assez mal du violon",
        ),
        "when": ("demain matin", "le trois juin", "après la réunion", "tous les jours"),
        "hello": ("bonjour", "écoutez", "excusez-moi"),
        "yes": ("oui", "bien sûr", "non"),
        "and": ("et",),
        "but": ("mais",),
        "thanks": ("merci beaucoup",),
    },
    "es": {
        "who": (
            "mi hermana",
            "el banco",
            "nuestro vecino",
            "la nueva doctora",
            "alguien de la oficina",
        ),
        "does": (
            "llama por la factura",
            "espera en la estación",
            "lee una carta muy larga",
            "pide la contraseña",
            "busca la llave de la casa",
            "quiere cambiar la cita",
            "toca bastante mal el violín",
        ),
        "when": (
            "mañana por la mañana",
            "el tres de junio",
            "después de la reunión",
            "todos los días",
        ),
        "hello": ("buenos días", "escuche", "perdone"),
        "yes": ("sí", "por supuesto", "no"),
        "and": ("y",),
        "but": ("pero",),
        "thanks": ("muchas gracias",),
    },
    "it": {
        "who": (
            "mia sorella",
            "la banca",
            "il nostro vicino",
            "il nuovo medico",
            "la signora del primo piano",
        ),
        "does": (
            "chiama per la fattura",
            "aspetta alla stazione",
            "legge una lunga lettera",
            "chiede la parola segreta",
            "cerca la chiave di casa",
            "vuole cambiare appuntamento",
            "suona piuttosto male il violino",
        ),
        "when": ("domani mattina", "il tre giugno", "dopo la riunione", "tutti i giorni"),
        "hello": ("buongiorno", "senta", "mi scusi"),
        "yes": ("certo", "naturalmente", "no"),
        "and": ("e",),
        "but": ("ma",),
        "thanks": ("grazie mille",),
    },
    "pt": {
        "who": (
            "a minha irmã",
            "o banco",
            "o nosso vizinho",
            "a nova médica",
            "alguém do escritório",
        ),
        "does": (
            "liga por causa da conta",
            "espera na estação",
            "lê uma carta comprida",
            "pergunta pela senha",
            "procura a chave da casa",
            "quer mudar a consulta",
            "toca violino muito mal",
        ),
        "when": ("amanhã de manhã", "no dia três de junho", "depois da reunião", "todos os dias"),
        "hello": ("bom dia", "escute", "com licença"),
        "yes": ("sim", "claro", "não"),
        "and": ("e",),
        "but": ("mas",),
        "thanks": ("muito obrigado",),
    },
    "nl": {
        "who": ("mijn zus", "de bank", "onze buurman", "de nieuwe dokter", "iemand van kantoor"),
        "does": (
            "belt over de rekening",
            "wacht op het station",
            "leest een lange brief",
            "vraagt naar het wachtwoord",
            "zoekt de huissleutel",
            "wil de afspraak verzetten",
            "speelt nogal slecht viool",
        ),
        "when": ("morgenochtend", "op drie juni", "na de vergadering", "elke dag opnieuw"),
        "hello": ("goedemiddag", "luister", "pardon"),
        "yes": ("ja", "natuurlijk", "nee"),
        "and": ("en",),
        "but": ("maar",),
        "thanks": ("hartelijk bedankt",),
    },
    "fi": {
        "who": ("minun siskoni", "pankki", "meidän naapuri", "uusi lääkäri", "vanha kapteeni"),
        "does": (
            "soittaa laskusta",
            "odottaa asemalla",
            "lukee pitkää kirjettä",
            "kysyy salasanaa",
            "etsii kodin avainta",
            "haluaa siirtää aikaa",
            "soittaa viulua melko huonosti",
        ),
        "when": ("huomenna aamulla", "kesäkuun kolmantena", "kokouksen jälkeen", "joka päivä"),
        "hello": ("hyvää päivää", "kuulkaa", "anteeksi"),
        "yes": ("kyllä", "tietysti", "ei"),
        "and": ("ja",),
        "but": ("mutta",),
        "thanks": ("kiitos paljon",),
    },
    "sv": {
        "who": ("min syster", "banken", "vår granne", "den nya läkaren", "någon från kontoret"),
        "does": (
            "ringer om räkningen",
            "väntar vid stationen",
            "läser ett långt brev",
            "frågar efter lösenordet",
            "letar efter nyckeln till huset",
            "vill flytta mötet",
            "spelar fiol ganska dåligt",
        ),
        "when": ("i morgon bitti", "den tredje juni", "efter sammanträdet", "varje dag"),
        "hello": ("god dag", "hör på", "ursäkta"),
        "yes": ("ja", "naturligtvis", "nej"),
        "and": ("och",),
        "but": ("men",),
        "thanks": ("tack så mycket",),
    },
    "ca": {
        "who": ("la meva germana", "el banc", "el nostre veí", "la nova doctora", "el vell capità"),
        "does": (
            "truca per la factura",
            "espera a la plaça",
            "llegeix una carta molt llarga",
            "demana la paraula secreta",
            "busca la clau de casa",
            "vol canviar la visita",
            "toca el piano molt malament",
        ),
        "when": ("demà al matí", "el tres de juny", "cada dia", "a mitja tarda"),
        "hello": ("bon dia", "escolti", "perdoni"),
        "yes": ("sí", "naturalment", "no"),
        "and": ("i",),
        "but": ("però",),
        "thanks": ("moltes gràcies",),
    },
    "pl": {
        "who": ("moja siostra", "nasz sąsiad", "nowy lekarz", "ktoś z biura", "stary kapitan"),
        "does": (
            "dzwoni w sprawie rachunku",
            "czeka na dworcu",
            "czyta długi list",
            "pyta o hasło",
            "szuka klucza do domu",
            "chce przełożyć spotkanie",
            "gra dość źle na skrzypcach",
        ),
        "when": ("jutro rano", "trzeciego czerwca", "po zebraniu", "każdego dnia"),
        "hello": ("dzień dobry", "proszę posłuchać", "przepraszam"),
        "yes": ("tak", "oczywiście", "nie"),
        "and": ("i",),
        "but": ("ale",),
        "thanks": ("dziękuję bardzo",),
    },
    "ru": {
        "who": ("моя сестра", "наш сосед", "новый врач", "старый капитан", "кто-то из конторы"),
        "does": (
            "звонит по поводу счёта",
            "ждёт на вокзале",
            "читает длинное письмо",
            "спрашивает пароль",
            "ищет ключ от дома",
            "хочет перенести встречу",
            "довольно плохо играет на скрипке",
        ),
        "when": ("завтра утром", "третьего июня", "после собрания", "каждый день"),
        "hello": ("добрый день", "послушайте", "извините"),
        "yes": ("да", "конечно", "нет"),
        "and": ("и",),
        "but": ("но",),
        "thanks": ("большое спасибо",),
    },
}


def compose(language: str, least: int, rng: np.random.Generator) -> str:
    """Sentences of `language`, a key of PHRASES, at least `least` characters in all."""
    phrases = PHRASES[language]

    def fill(slot: re.Match) -> str:
        if slot[1] == "number":
            return str(rng.integers(2, 5000))
        choices = phrases[slot[1]]
        return choices[rng.integers(len(choices))]

    text = ""
    while len(text) < least:
        sentence = SLOT.sub(fill, PATTERNS[rng.integers(len(PATTERNS))])
        text += " " * bool(text) + sentence[0].upper() + sentence[1:]
    return text
