"""Questions whose answer is in a short passage before them."""

from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft

_FIRST = (
    "Elena",
    "Marcus",
    "Yuki",
    "Samuel",
    "Ingrid",
    "Rashid",
    "Clara",
    "Victor",
    "Nadia",
    "Peter",
    "Amara",
    "Felix",
)
_LAST = (
    "Brandt",
    "Okafor",
    "Tanaka",
    "Keller",
    "Novak",
    "Silva",
    "Haddad",
    "Larsen",
    "Moreau",
    "Costa",
    "Petrov",
    "Ahmed",
)
_TOWNS = ("Alderby", "Westmere", "Fallbrook", "Kingsford", "Marwick", "Oakhaven", "Riverton", "Stonebridge", "Thornby")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def _people(draw: Random, n: int) -> list[str]:
    return [f"{a} {b}" for a, b in zip(draw.sample(_FIRST, n), draw.sample(_LAST, n), strict=True)]


def _ask(draw: Random, sentences: list[tuple[str, str, str]], opening: str = "") -> Draft:
    """Return a passage of the sentences in any order, and the question about one of them.

    sentences: (sentence, question, answer).
    """
    draw.shuffle(sentences)
    _, question, answer = draw.choice(sentences)
    passage = " ".join(sentence for sentence, _, _ in sentences)
    return Draft(f"{opening}{passage} {question}", answer, MarkingRule.CONTAINS)


def people_notes(draw: Random) -> Draft:
    """Draw a passage about people's activities."""
    a, b, c, d, e = _people(draw, 5)
    sentences = [
        (f"The choir is led by {a}.", "Who leads the choir?", a),
        (f"{b} teaches chemistry at the college.", "Who teaches chemistry?", b),
        (f"The novel about the lighthouse was written by {c}.", "Who wrote the novel about the lighthouse?", c),
        (f"{d} repaired the old church organ last spring.", "Who repaired the organ?", d),
        (f"The football team is coached by {e}.", "Who coaches the football team?", e),
    ]
    draw.shuffle(sentences)
    return _ask(draw, sentences[: draw.randint(4, 5)], draw.choice(["", "Read the passage. ", "Passage: "]))


def town_history(draw: Random) -> Draft:
    """Draw a passage about buildings and their dates."""
    towns, years = draw.sample(_TOWNS, 3), sorted(draw.sample(range(1702, 1990), 3))
    sentences = [
        (f"The stone bridge was built in {years[0]}.", "When was the stone bridge built?", str(years[0])),
        (f"A glass factory stood in {towns[0]}.", "Where was the glass factory?", towns[0]),
        (f"The railway arrived in {years[1]}.", "In which year did the railway arrive?", str(years[1])),
        (f"The oldest windmill can be found near {towns[1]}.", "Where can the oldest windmill be found?", towns[1]),
        (f"The great flood happened in {years[2]}.", "When did the great flood happen?", str(years[2])),
        (f"The bishop's palace is located in {towns[2]}.", "Where is the bishop's palace located?", towns[2]),
    ]
    draw.shuffle(sentences)
    return _ask(draw, sentences[: draw.randint(4, 5)], draw.choice(["", "Read this text. ", "History of the valley: "]))


def event_reports(draw: Random) -> Draft:
    """Draw a passage about a public event: who, where and when."""
    a, b = _people(draw, 2)
    town, hall = draw.choice(_TOWNS), draw.choice(_TOWNS)
    day, other = draw.sample(_DAYS, 2)
    visitors = draw.randint(120, 980)
    sentences = [
        (f"The opening speech was given by {a}.", "Who gave the opening speech?", a),
        (f"The final concert took place in {town}.", "Where did the final concert take place?", town),
        (f"The flower parade was held on {day}.", "On which day was the flower parade held?", day),
        (f"About {visitors} visitors came to the fair.", "How many visitors came to the fair?", str(visitors)),
        (f"First prize in the baking contest went to {b}.", "Who won first prize in the baking contest?", b),
        (f"The chess tournament began on {other}.", "When did the chess tournament begin?", other),
    ]
    if hall != town:
        sentences.append(
            (f"The photo exhibition was shown at {hall} Hall.", "Where was the photo exhibition shown?", hall)
        )
    draw.shuffle(sentences)
    return _ask(draw, sentences[: draw.randint(4, 5)])


def office_memos(draw: Random) -> Draft:
    """Draw a passage about a week at work: who, where and when."""
    people, (first, second) = _people(draw, 3), draw.sample(_TOWNS, 2)
    day, letters = draw.choice(_DAYS), draw.randint(12, 240)
    sentences = [
        (f"The new laptops were ordered by {people[0]}.", "Who ordered the new laptops?", people[0]),
        (f"{people[1]} answered the complaint about the late delivery.", "Who answered the complaint?", people[1]),
        (f"The server room has moved to {first}.", "Where has the server room moved?", first),
        (f"The safety training starts on {day}.", "When does the safety training start?", day),
        (f"The customer from {second} wants a new offer.", "Where is the customer from?", second),
        (f"{letters} letters are still unanswered.", "How many letters are unanswered?", str(letters)),
        (f"The phone line was restored by {people[2]}.", "Who restored the phone line?", people[2]),
    ]
    draw.shuffle(sentences)
    return _ask(
        draw, sentences[: draw.randint(4, 5)], draw.choice(["", "From the staff memo. ", "Memo to all staff. "])
    )
