"""Words, and what words have in common: enough of English to find a summarizer by "condense"."""

import re
from collections.abc import Iterator
from unicodedata import combining, normalize

MAX_WORD = 40
_WORD = re.compile(r"[^\W_]+")
_STOPPED = frozenset(
    [
        "a",
        "agent",
        "agents",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "i",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "need",
        "of",
        "on",
        "or",
        "please",
        "that",
        "the",
        "their",
        "them",
        "this",
        "to",
        "want",
        "what",
        "which",
        "who",
        "with",
        "you",
        "your",
    ]
)
_ENDINGS = [
    "ization",
    "izations",
    "isation",
    "izers",
    "izer",
    "izing",
    "izes",
    "ized",
    "ize",
    "ising",
    "ised",
    "ise",
    "ations",
    "ation",
    "ators",
    "ator",
    "ating",
    "ates",
    "ated",
    "ate",
    "ions",
    "ion",
    "ings",
    "ing",
    "ments",
    "ment",
    "ers",
    "er",
    "ors",
    "or",
    "ies",
    "ied",
    "y",
    "ed",
    "es",
    "e",
    "s",
]
_SHORTEST_STEM = 3

# A line is one concept: its words stand for one another when meaning is asked for.
_THESAURUS = """
summary summarize summarise abstract digest condense shorten tldr gist brief synopsis recap
translate translator localize localise multilingual language
extract keywords keyword entities scrape parse harvest
classify categorize categorise label tag sort
sentiment emotion mood opinion tone
image picture photo photograph drawing illustration visual
generate create produce compose synthesize make
write draft author copywriting prose
code program programming software developer coding
review audit inspect critique proofread
test verify check validate assert qa
search find lookup discover retrieve query
question ask answer qa faq
analyze analyse analysis analytics examine insight
report document documentation paper
speech voice audio spoken dictate transcribe transcript transcription
video film clip movie footage
chart plot graph diagram visualize visualise dashboard
price cost quote fee tariff
pay payment invoice billing checkout money
trade swap exchange market portfolio invest
weather forecast climate temperature
map route location geography navigation directions
schedule calendar meeting appointment booking reservation
email mail inbox message
deploy deployment host hosting ship release rollout
build compile bundle workspace monorepo
optimize optimise improve tune accelerate speed
security secure vulnerability threat exploit hardening
secret credential password vault
fraud scam sybil abuse
legal law contract clause compliance regulation
medical health clinical patient diagnosis
convert transform format reformat
clean cleanse dedupe deduplicate sanitize
store save archive backup persist
recommend suggest advise propose
teach tutor lesson education learn course
predict estimate projection extrapolate
chat conversation dialogue talk assistant
"""


def words(text: str) -> list[str]:
    """The words of `text` that say something: case, accents and compatibility forms do not matter.

    Words are runs of letters and digits; the little words of English are left out, long ones are cut.
    """
    plain = "".join(c for c in normalize("NFKD", text).casefold() if not combining(c))
    return [word[:MAX_WORD] for word in _WORD.findall(plain) if word not in _STOPPED]


def stem(word: str) -> str:
    """`word` without its endings, so that `summarizing` and `summaries` meet: a light English stemmer."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return stem(word.removesuffix(ending))
    return word


def meanings(word: str) -> Iterator[str]:
    """What `word` may mean: its stem (`~`) and the concepts that it stands for (`#`)."""
    root = stem(word)
    yield f"~{root}"
    yield from (f"#{concept}" for concept in _CONCEPTS.get(root, ()))


def _concepts() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _THESAURUS.strip().splitlines():
        head, *_ = members = line.split()
        for root in {stem(member) for member in members}:
            found[root] = (*found.get(root, ()), head)
    return found


_CONCEPTS = _concepts()
