"""Facts that no vector can hold: names of people and titles. In targets they teach invention, so they are generalized.

What counts as a name is learnt from the table. A run of capitalized words inside a sentence is common when enough rows have it
and it mostly stands where places, peoples and periods do ("in Chicago", "a Norwegian film"), or when very many rows have it
and it does not mostly stand where people do ("starring", "as", "directed by"). First names are names however common.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Names", "first_sentence", "sentences", "without_idle_words"]

FEWEST = 8
"""Rows that must share a run before it may count as common ..."""

SHARE = 0.004
"""... and the share of the rows, where its places say nothing."""

_WORD = r"(?:(?:[A-ZÀ-Þ]\.){2,}|[A-ZÀ-Þ][\w'’&-]*(?:\.(?=\s[A-ZÀ-Þ]))?)"
_RUN = re.compile(rf"{_WORD}(?:(?:\s(?:of|the|de|la|von|van|da|du|di)){{0,2}}\s{_WORD}|\s[IVX]+\b)*")
_LIST = rf"{_RUN.pattern}(?:(?:,\s(?:and\s)?|\sand\s|\s&\s){_RUN.pattern})*"
_VERB = (
    r"(?:co-?)?(?:written|directed|produced|edited|scored|composed|distributed|released|created|narrated|adapted|shot)"
)
_ROLES = re.compile(
    rf",?\s*(?:which\swas\s|was\s|is\s|and\s)?{_VERB}(?:,?\s(?:and\s)?{_VERB})*\sby\s{_LIST}"
    rf"|,?\s*(?:and\s)?(?:starring|featuring|stars|co-stars|starred|with)\s{_LIST}"
)
_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“(]*[A-ZÀ-Þ0-9])")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:(?:[A-Z]\.)*[A-Z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Vol)\.$")
_QUOTED = re.compile(r"\s*[\"“]someone(?:'s)?[\"”]")
_ONE = re.compile(r"(?:\b(?:[Tt]he|[Aa]n?|[Tt]his)\s+)?\bsomeone(?:\s+someone)*\b")
_SOMEONE = re.compile(r"someone(?:'s)?(?:(?:,\s(?:and\s)?|\sand\s|\s&\s)someone)+")
_PARENTHESIS = re.compile(r"\s*\((?:[^()]*\bsomeone\b[^()]*|\s*)\)")
_LEFT = re.compile(
    rf",?\s*(?:and\s)?{_VERB}(?:\sand\s\w+)?\sby(?=[.,;]|$)|,?\s(?:that|which|who|and|with|by)(?=[.;]|$)"
)
_SUBJECT = re.compile(r"^(It|The \w+),(?:\sand)?\s(?=(?:is|was|were|won|had)\b)")
_IDLE = re.compile(r",?\s(?:by|as|from|with)\s(?:someone|several people)(?=[.;]|$|,\s(?:and|which)\b)")
_OPENER = re.compile(r"(?:^|(?<=[.!?]\s))[A-Z]\w+(?:\sand\s\w+)?\sby\s(?:someone|several people),\s(\w)")
_GOES_ON = re.compile(r"\sand\s(?:is|was|has|had|won|stars|starred|received|features)\b")
_SHORTEST = 4


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FIRST_NAMES = _set("""
    Adam Alan Alex Alice Amy Andrew Andy Ann Anna Anne Anthony Arthur Ben Benjamin Bill Billy Bob Bobby Brian Bruce Carl
    Carol Charles Charlie Chris Christine Christopher Claire Daniel Danny Dave David Dan Diana Donald Dorothy Ed Eddie
    Edward Elizabeth Ellen Emily Emma Eric Eva Eve Frank Fred George Grace Greg Harold Harry Helen Henry Howard Ian Jack
    Jackie Jake James Jane Jason Jay Jean Jeff Jennifer Jenny Jerry Jessica Jill Jim Jimmy Joan Joe John Johnny Jonathan
    Joseph Josh Judy Julia Julie Karen Kate Katherine Keith Kelly Ken Kevin Kim Larry Laura Lee Leo Lewis Linda Lisa Louis
    Louise Lucy Luke Maggie Margaret Maria Mark Martin Mary Matt Matthew Max Melissa Michael Michelle Mike Molly Nancy
    Nick Nicole Oliver Patricia Patrick Paul Peter Philip Rachel Ralph Ray Rebecca Richard Rick Rob Robert Robin Roger Ron
    Rose Ross Roy Ruth Ryan Sally Sam Samuel Sandra Sara Sarah Scott Sean Sharon Simon Sophie Stephanie Stephen Steve
    Steven Stuart Sue Susan Ted Terry Thomas Tim Tom Tommy Tony Vincent Walter Will William
""")


_OPENERS = _set("""
    a after although an and as at because before but by during each every for from he her his how if in into it its nine
    of on once one or our she since six so some ten the their then there these they this three through to two under until
    upon we what when where while who why with
""")


_THING = _set("a an the in at from to near into around through outside across set")
"""Words before what a vector can hold: places, peoples, periods, series."""

_PERSON = _set("""
    starring stars starred featuring with as and named called plays played by actor actress actors actresses director
    writer screenwriter producer comedian novelist author singer filmmaker star
""")
_MAKER = _set("released distributed")
"""Before "by": a studio."""

_DETERMINERS = _set("a an the his her their its this another")
_WORKS = _set("novel novella play book story song film films series comic game musical poem memoir opera magazine")
_ACTS = _set("stars plays portrays appears")
_AFTER_NOUNS = _set("""
    who whose whom which that is are was were has had have and or but to in of as with at on for from by while when after
    before during into near off against
""")


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; an abbreviation or an initial ends none."""
    found: list[str] = []
    for part in _SENTENCE.split(text.strip()):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + part
        else:
            found.append(part)
    return [part.strip() for part in found if part.strip()]


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    return next(iter(sentences(text)), "")


def without_idle_words(text: str, noun: str) -> str:
    """Leave out of a written text what would stand in any.

    "The film is a comedy by someone." is "A comedy.": words that all texts share make them alike, and so the vectors that are
    read from them. A sentence that goes on after its verb ("The film is a comedy and was a success.") keeps its subject.

    Parameters
    ----------
    text : str
    noun : str
        What a row is.
    """
    bare = _IDLE.sub("", _OPENER.sub(lambda found: found[1].upper(), text))
    if _GOES_ON.search(first_sentence(bare)):
        return bare
    return re.sub(rf"^The {re.escape(noun)} (?:is|was) (an?)\b", lambda found: found[1].capitalize(), bare)


@dataclass(frozen=True)
class Names:
    """What is common enough in a table to be said of any of its rows.

    Parameters
    ----------
    common : frozenset of str
        Runs of capitalized words.
    noun : str, default="item"
        What a row is: it stands for titles.
    """

    common: frozenset[str]
    noun: str = "item"

    @classmethod
    def learn(cls, texts: Sequence[str], noun: str = "item") -> Names:
        """Count runs of capitalized words.

        Parameters
        ----------
        texts : sequence of str
            Of training rows.
        noun : str, default="item"
        """
        rows, things, people = Counter[str](), Counter[str](), Counter[str]()
        for text in texts:
            own: set[str] = set()
            for sentence in sentences(text):
                for start, run in _runs(sentence):
                    own.add(run)
                    before = sentence[:start].lower().split()[-2:]
                    things[run] += bool(before) and (before[-1] in _THING or before[-1].isdecimal())
                    people[run] += bool(before) and before[-1] in _PERSON and before[0] not in _MAKER
            rows.update(own)
        many = max(FEWEST, SHARE * len(texts))
        common = (
            run
            for run, n in rows.items()
            if n >= FEWEST
            and not _FIRST_NAMES & set(run.split())
            and (2 * people[run] <= things[run] >= n / 4 or (n >= many and 2 * people[run] <= n))
        )
        return cls(frozenset(common), noun)

    def generalize(self, text: str, title: str = "") -> str:
        """Take names and the title out of a text.

        Who directed, wrote or played goes; other people become "someone", the title the noun; what is left of a sentence
        without them goes where it is short.

        Parameters
        ----------
        text : str
        title : str, default=""
        """
        if title:
            own = re.sub(r"\\?[-–—]", "[-–—]", re.escape(title))
            text = re.sub(rf"(?<!\w)(?:The\s+)?{own}(?!\w)", f"The {self.noun}", text)
            text = re.sub(rf"(?<=[\w,]\s)The {self.noun}\b", f"the {self.noun}", text)
            text = re.sub(rf"\b(a|an|the|this) the {self.noun}\b(?: {self.noun}\b)?", rf"\1 {self.noun}", text)
        kept = []
        for sentence in sentences(text):
            bare = self._without_names(_ROLES.sub(self._role, sentence))
            untouched = bare.casefold() == sentence.casefold()
            if untouched or len(bare.split()) >= _SHORTEST:
                kept.append(sentence if untouched else bare)
        return " ".join(kept)

    def _role(self, match: re.Match[str]) -> str:
        """Drop who did it, where that is a name: "featuring American soldiers" stays, and so does "starring X as a spy"."""
        run = _RUN.search(match.group().lstrip(" ,"))
        kept = run is None or (" " not in run.group() and self._is_common(run.group()))
        kept = kept or match.string[match.end() :].startswith((" as ", " in "))
        return match.group() if kept else ""

    def _is_common(self, run: str) -> bool:
        return run in self.common or all(word in self.common for word in run.split())

    def _without_names(self, sentence: str) -> str:
        parts, end = [], 0
        for start, run in _runs(sentence):
            if not self._is_common(run) and not run.startswith(f"The {self.noun}"):
                parts += [sentence[end:start], _stand_in(sentence[:start], run, sentence[start + len(run) :])]
                end = start + len(run)
        bare = _ONE.sub("someone", _QUOTED.sub("", "".join([*parts, sentence[end:]])))
        bare = _SUBJECT.sub(r"\1 ", _LEFT.sub("", _PARENTHESIS.sub("", _SOMEONE.sub("several people", bare))))
        bare = re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r",\s*([.;])", r"\1", re.sub(r"\s{2,}", " ", bare))).strip(" ,")
        return bare[:1].upper() + bare[1:]

    def invented(self, text: str, truths: Iterable[str] = ()) -> list[str]:
        """Names in a written text that are neither common nor in the row's own text."""
        known = " ".join(truths)
        found = [run for sentence in sentences(text) for _, run in _runs(sentence)]
        return [run for run in found if run and not self._is_common(run) and run not in known]


def _stand_in(before: str, run: str, after: str) -> str:
    """What stands for a name: nothing where it only says which one ("a Bengali man", "the novel Emma")."""
    last, following = (before.lower().split() or [""])[-1], re.match(r"\s+([a-z][\w-]*)", after)
    describes = following is not None and following[1] not in _AFTER_NOUNS
    if (last in _WORKS and not (following and following[1] in _ACTS)) or (
        describes and (last in _DETERMINERS or last.isdecimal())
    ):
        return ""
    if last == "in":
        return "a place"
    return "someone's" if run.endswith(("'s", "’s")) else "someone"


def _runs(sentence: str) -> list[tuple[int, str]]:
    """Runs of capitalized words with their places; a sentence's first word alone says nothing."""
    found = []
    for match in _RUN.finditer(sentence):
        start, run = match.start(), match.group()
        if not sentence[:start].strip("\"'“( "):
            first, _, rest = run.partition(" ")
            if first.lower() in _OPENERS and rest:
                start, run = start + len(first) + 1, rest
            elif not rest and first not in _FIRST_NAMES:
                continue
        if run.lower() in _OPENERS:
            continue
        found.append((start, run))
    return found
