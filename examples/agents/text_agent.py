"""Agents that work on text, at three prices and three qualities.

python examples/agents/text_agent.py careful --port 8380 --state-dir … --api-key-file … --contracts-file …
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.wire import WireModel
from paid_agent import Offer, options, serve
from pydantic import Field

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "that",
        "the",
        "their",
        "they",
        "to",
        "was",
        "which",
        "with",
    ]
)
STAKE_UNITS = 5_000_000


class Text(WireModel):
    text: str = Field(min_length=1, max_length=20_000)


class Summarize(Text):
    sentences: int = Field(default=2, ge=1, le=10)


class Keywords(Text):
    count: int = Field(default=5, ge=1, le=20)


class Report(WireModel):
    title: str = Field(max_length=200)
    sections: dict[str, Any]


def sentences_of(text: str) -> list[str]:
    return [sentence.strip() for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence.strip()]


def keywords_of(text: str, count: int) -> list[str]:
    """The words that occur most, longest first among equals."""
    words = [word for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in STOP_WORDS]
    ranked = sorted(Counter(words).items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    return [word for word, _ in ranked[:count]]


def by_weight(text: str, count: int) -> list[str]:
    """The sentences with the most keywords, in their order."""
    keywords, sentences = set(keywords_of(text, 8)), sentences_of(text)
    weights = {
        sentence: len(keywords & set(re.findall(r"[a-z]+", sentence.lower()))) for sentence in sentences
    }
    best = sorted(sentences, key=lambda sentence: -weights[sentence])[:count]
    return [sentence for sentence in sentences if sentence in best]


def from_the_top(text: str, count: int) -> list[str]:
    """The first sentences: fast, and right about most news."""
    return sentences_of(text)[:count]


def a_few_words(text: str, count: int) -> list[str]:
    """Hardly a summary."""
    return [" ".join(text.split()[:3])]


def summarizer(choose: Callable[[str, int], list[str]]) -> Action:
    async def handler(
        runtime: Runtime[Any], message: Message, state: State, asked: Summarize, say: Callback
    ) -> bool:
        chosen = choose(asked.text, asked.sentences)
        await say(succeeded("Summarized.", {"summary": " ".join(chosen), "sentences": len(chosen)}))
        return True

    return _action(
        "SUMMARIZE", "Shortens a text to a few of its sentences.", Summarize, handler, "text.summarize"
    )


async def extract_keywords(
    runtime: Runtime[Any], message: Message, state: State, asked: Keywords, say: Callback
) -> bool:
    await say(succeeded("Extracted.", {"keywords": keywords_of(asked.text, asked.count)}))
    return True


async def write_report(
    runtime: Runtime[Any], message: Message, state: State, asked: Report, say: Callback
) -> bool:
    lines = [f"# {asked.title}", *(f"## {name}\n{body}" for name, body in asked.sections.items())]
    await say(succeeded("Written.", {"report": "\n\n".join(lines), "sections": sorted(asked.sections)}))
    return True


def _action(
    name: str, description: str, parameters: type[WireModel], handler: Any, capability: str
) -> Action:
    example = (Turn(role="user", text=description), Turn(role="agent", text="Done.", action=name))
    return Action(
        name=name,
        description=description,
        parameters=parameters,
        handler=handler,
        examples=[example],
        scope="actions:invoke",
        capabilities=(capability,),
    )


KEYWORDS = _action(
    "EXTRACT_KEYWORDS", "Names what a text is about.", Keywords, extract_keywords, "text.keywords"
)
REPORT = _action("WRITE_REPORT", "Puts findings into one document.", Report, write_report, "text.report")
AGENTS = {
    "careful": ([summarizer(by_weight), KEYWORDS, REPORT], 40_000),
    "quick": ([summarizer(from_the_top), KEYWORDS], 25_000),
    "sloppy": ([summarizer(a_few_words)], 10_000),
}


def main() -> None:
    parser = options("A sample agent that works on text.")
    parser.add_argument("name", choices=AGENTS)
    told = parser.parse_args()
    actions, price = AGENTS[told.name]
    plugin = Plugin(name=told.name, description=f"A {told.name} worker on text.", actions=actions)
    prices = {capability: price for action in actions for capability in action.capabilities}
    serve(plugin, Offer(f"demo/{told.name}", prices, STAKE_UNITS), told)


if __name__ == "__main__":
    main()
