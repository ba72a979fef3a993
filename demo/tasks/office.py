"""Tasks of an office: account names, a glossary, deadlines, support tickets."""

from datetime import timedelta
from random import Random

from demo.datasets.dates import any_day
from demo.marking import MarkingRule
from demo.questions import Draft
from demo.reading import WEEKDAYS, format_date

_GIVEN = (
    "Beatrice",
    "Christopher",
    "Giulia",
    "Ahmad",
    "Mei",
    "Konstantin",
    "Freya",
    "Bartholomew",
    "Zoe",
    "Ravi",
    "Ines",
)
_FAMILY = (
    "Lindqvist",
    "Papadopoulos",
    "Ferrari",
    "Osei",
    "Fitzgerald",
    "Montgomery",
    "Nakamura",
    "Schmidt",
    "Rossi",
    "Ivanova",
)
_TERMS = (  # noqa: SIM905 - reads better in lines than in a column
    "invoice ledger accrual audit collateral dividend equity amortisation arbitrage annuity liquidity leverage "
    "liability depreciation default debenture escrow endowment forfeiture franchise goodwill guarantee hedge"
).split()
_PRODUCTS = ("router", "thermostat", "printer", "scanner", "projector", "tablet")
_SITES = ("Lisbon", "Tampere", "Graz", "Leeds", "Nantes", "Bergen")
_PAPERS = ("lease", "supply agreement", "insurance policy", "maintenance contract", "tender", "employment contract")


def username_cleanup(draw: Random) -> Draft:
    """Draw a name to convert into an account name."""
    person = f"{draw.choice(_GIVEN)} {draw.choice(_FAMILY)}"
    text, value = (
        (f"New hire '{person}': login should be all lower case, an underscore where the gap is.",
         person.lower().replace(" ", "_")),
        (f"Mailbox for '{person}', lowercase, dot between given and family name.", person.lower().replace(" ", ".")),
        (f"Badge printer needs '{person}' in upper case.", person.upper()),
        (f"Directory entry arrived as '{person.upper()}'. Make it title case.", person.title()),
        (f"Throwaway password hint: '{person.split()[0]}' mirrored.", person.split()[0][::-1]),
        (f"Old mainframe takes no blanks. Account '{person}' with no spaces in it, please.", person.replace(" ", "")),
        (f"Monogram (initials) for the mug of '{person}'?", "".join(part[0] for part in person.split())),
    )[draw.randrange(7)]  # fmt: skip
    return Draft(text, value, MarkingRule.EXACT)


def glossary_index(draw: Random) -> Draft:
    """Draw entries of a glossary to sort or measure."""
    terms = draw.sample(_TERMS, draw.randint(4, 6))
    listed, one = ", ".join(terms), terms[0]
    kind = draw.randrange(6)
    if kind >= 4:
        wide = max(map(len, terms))
        text = (f"Column width for the glossary entry '{one}': how many characters?",
                f"Typesetter's query: number of vowels in the headword '{one}'.")[kind - 4]  # fmt: skip
        value = (len(one), sum(letter in "aeiou" for letter in one))[kind - 4]
        return Draft(text, str(value if wide else 0), MarkingRule.NUMBER)
    text = (
        f"Index page, entries in dictionary order please: {listed}",
        f"The glossary came back unsorted: {listed}. Return it sorted A-Z.",
        f"Back matter runs from Z to A in this edition: {listed}",
        f"Alphabetise for the appendix: {listed}",
    )[kind]
    return Draft(text, ", ".join(sorted(terms, reverse=kind == 2)), MarkingRule.LIST)


def deadline_desk(draw: Random) -> Draft:
    """Draw a question about a due date or a duration."""
    day, n, weeks = any_day(draw), draw.choice([14, 21, 30, 45, 60, 90, 120, 180, 270, 365]), draw.randint(3, 26)
    paper, end = draw.choice(_PAPERS), day + timedelta(days=draw.randint(20, 500))
    text, value, rule = (
        (f"The {paper} was signed {format_date(day)}. Notice period {n} days. Last day to cancel?",
         (day + timedelta(days=n)).isoformat(), MarkingRule.DATE),
        (f"Filing of the {paper} closes {format_date(day)}; legal must have it {weeks} weeks earlier. Latest hand-in?",
         (day - timedelta(weeks=weeks)).isoformat(), MarkingRule.DATE),
        (f"Payment term of the {paper}: {n} days from {day.isoformat()}. Due date?",
         (day + timedelta(days=n)).isoformat(), MarkingRule.DATE),
        (f"The {paper} runs from {format_date(day)} to {format_date(end)}. Term for the cover sheet: how many days?",
         str((end - day).days), MarkingRule.NUMBER),
        (f"Court date for the {paper} is {format_date(day)}. Our clerk asks which weekday to block.",
         WEEKDAYS[day.weekday()], MarkingRule.WEEKDAY),
        (f"Reminder for the {paper}: expires {format_date(day)}, alert wanted {n} days in advance. Alert date?",
         (day - timedelta(days=n)).isoformat(), MarkingRule.DATE),
    )[draw.randrange(6)]  # fmt: skip
    return Draft(text, value, rule)


def support_lookup(draw: Random) -> Draft:
    """Draw a question about a detail of a support ticket."""
    staff = [f"{a} {b}" for a, b in zip(draw.sample(_GIVEN, 3), draw.sample(_FAMILY, 3), strict=True)]
    product, (site, depot) = draw.choice(_PRODUCTS), draw.sample(_SITES, 2)
    day, units = draw.choice(WEEKDAYS[:5]), draw.randint(3, 75)
    facts = [
        (
            f"{staff[0]} reported the {product} as faulty.",
            f"Which colleague reported the {product}, who was it?",
            staff[0],
        ),
        (f"The fault was traced by {staff[1]} after a long call.", "Customer asks: who traced the fault?", staff[1]),
        (f"A replacement was posted from {depot}.", "From where was the replacement posted?", depot),
        (f"The technician visits on {day}.", "When does the technician visit?", day),
        (f"The refund was approved by {staff[2]} in accounts.", "Who approved the refund?", staff[2]),
        (f"The broken device sits in {site} at the front desk.", "Where does the broken device sit?", site),
        (f"In total {units} devices show the same error.", "How many devices show the error?", str(units)),
    ]
    draw.shuffle(facts)
    told = facts[: draw.randint(4, 6)]
    _, question, answer = draw.choice(told)
    log = " ".join(sentence for sentence, _, _ in told)
    return Draft(f"Ticket log: {log} {question}", answer, MarkingRule.CONTAINS)
