"""Questions that require a calculation: bare sums, shopping, percentages, stories of more and less."""

from decimal import Decimal
from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft

_NAMES = ("Maria", "Tom", "Aisha", "Jonas", "Priya", "Diego", "Hannah", "Kofi", "Lena", "Omar")
_GOODS = ("notebooks", "apples", "mugs", "candles", "pencils", "scarves", "lemons", "postcards", "batteries", "towels")
_THINGS = ("books", "marbles", "stickers", "chickens", "bicycles", "chairs", "tickets", "plants", "stamps", "coins")
_HOLDERS = ("A library", "A farm", "A school", "A museum", "A small shop", "A club")


def sums(draw: Random) -> Draft:
    """Draw a bare calculation with two or three numbers."""
    a, b, c = draw.randint(12, 990), draw.randint(12, 600), draw.randint(3, 90)
    kind = draw.randrange(9)
    text, value = (
        (f"What is {a} + {b}?", a + b),
        (f"Compute {c} times {a % 70 + 2}.", c * (a % 70 + 2)),
        (f"Work out {a + b} minus {b}.", a),
        (f"Find the sum of {a}, {b} and {c}.", a + b + c),
        (f"Subtract {c} from {a + c}.", a),
        (f"Divide {a * 4} by 4.", a),
        (f"Evaluate {a} + {b} - {c}.", a + b - c),
        (f"What do you get when you multiply {c} by {b}?", c * b),
        (f"Calculate the product of {c} and {a % 40 + 11}.", c * (a % 40 + 11)),
    )[kind]
    return Draft(text, str(value), MarkingRule.NUMBER)


def _price(draw: Random) -> Decimal:
    return Decimal(draw.randint(1, 18)) + draw.choice([Decimal(0), Decimal("0.50"), Decimal("0.25"), Decimal("0.95")])


def shopping(draw: Random) -> Draft:
    """Draw a question about a price to pay, or change."""
    name, (first, second) = draw.choice(_NAMES), draw.sample(_GOODS, 2)
    n, m, p, q = draw.randint(2, 9), draw.randint(2, 6), _price(draw), _price(draw)
    one, both = n * p, n * p + m * q
    note = (both // 20 + 1) * 20
    kind = draw.randrange(5)
    text, value = (
        (f"{name} buys {n} {first} at ${p} each. How much does {name} pay?", one),
        (f"{name} buys {n} {first} at ${p} each and {m} {second} at ${q} each. What is the total cost?", both),
        (f"Each of the {first} costs {p} dollars. What do {n} of the {first} cost?", one),
        (f"{name} picks {n + 3} {first} at ${p} apiece, and uses a ${m - 1} coupon. What is left to pay?",
         (n + 3) * p - m + 1),
        (f"{name} gets {n} {first} for ${p} each and {m} {second} for ${q} each, paying with ${note}. "
         "How much change is there?", note - both),
    )[kind]  # fmt: skip
    return Draft(text, str(value), MarkingRule.NUMBER)


def percentages(draw: Random) -> Draft:
    """Draw a question about a share of something, or a price that rises or falls."""
    p, x = draw.choice([4, 5, 10, 12, 15, 18, 20, 25, 30, 35, 40, 60, 75]), draw.randint(3, 160) * 5
    part = Decimal(x * p) / 100
    item, kind = draw.choice(["coat", "bicycle", "sofa", "phone", "lamp", "ticket", "camera"]), draw.randrange(6)
    whole = draw.choice([20, 25, 40, 50, 80, 200])
    some = whole * draw.randint(1, 19) // 20
    text, value = (
        (f"What is {p}% of {x}?", part),
        (f"A {item} costs {x} dollars and its price rises by {p}%. What is the new price?", x + part),
        (f"The price of a {item} was {x} dollars. It falls by {p} percent. What does it cost now?", x - part),
        (f"Find {p} percent of {x}.", part),
        (f"A town of {x} people grows by {p}%. How many people live there afterwards?", x + part),
        (f"In a class test {some} of the {whole} answers are right. What percentage is that?",
         Decimal(100 * some) / whole),
    )[kind]  # fmt: skip
    return Draft(text, str(value), MarkingRule.NUMBER)


def counting_stories(draw: Random) -> Draft:
    """Draw a question about a count after some come and some go, or in groups."""
    name, holder, thing = draw.choice(_NAMES), draw.choice(_HOLDERS), draw.choice(_THINGS)
    a, b, c = draw.randint(60, 990), draw.randint(5, 400), draw.randint(3, 55)
    groups, size = draw.randint(4, 45), draw.randint(6, 48)
    share = draw.randint(3, 9)
    text, value = (
        (f"{holder} has {a} {thing}. It buys {b} more and gives away {c}. How many {thing} are there now?", a + b - c),
        (f"{name} had {a} {thing}, found {b} and then lost {c}. How many {thing} does {name} have?", a + b - c),
        (f"There are {groups} boxes with {size} {thing} each. How many {thing} are there altogether?", groups * size),
        (f"{name} shares {share * c} {thing} equally among {share} friends. How many does each friend get?", c),
        (f"{holder} owned {a + b} {thing} and sold {b} of them. How many remain?", a),
        (f"Every shelf holds {size} {thing} and there are {groups} shelves. How many {thing} fit?", groups * size),
    )[draw.randrange(6)]
    return Draft(text, str(value), MarkingRule.NUMBER)


def wages_and_bills(draw: Random) -> Draft:
    """Draw a question about an amount earned, owed or paid back."""
    name, trade = draw.choice(_NAMES), draw.choice(["plumber", "tutor", "painter", "gardener", "translator", "driver"])
    rate, hours = Decimal(draw.randint(12, 48)) + draw.choice([Decimal(0), Decimal("0.50")]), draw.randint(3, 38)
    fee, rent, months = draw.randint(10, 60), draw.randint(31, 99) * 10, draw.randint(2, 11)
    gas, water, tax = draw.randint(40, 190), draw.randint(15, 90), draw.choice([5, 10, 12, 20, 25])
    people = draw.randint(3, 8)
    text, value = (
        (f"A {trade} earns {rate} dollars an hour and works {hours} hours. What are the wages?", rate * hours),
        (f"The {trade} charges ${rate} per hour for {hours} hours and a travel fee of ${fee}. What is the bill?",
         rate * hours + fee),
        (f"The electricity bill is ${gas} and the water bill ${water}. How much does {name} owe in all?", gas + water),
        (f"The rent is {rent} dollars a month. How much rent is paid in {months} months?", rent * months),
        (f"A restaurant bill of ${people * fee} is split equally among {people} guests. How much is it each?", fee),
        (f"The {trade}'s bill is {rent} dollars before tax. With {tax}% sales tax, what must {name} pay?",
         rent + Decimal(rent * tax) / 100),
        (f"{name} owes the bank {rent} dollars, pays back {gas} and is lent {water} more. What is the debt?",
         rent - gas + water),
    )[draw.randrange(7)]  # fmt: skip
    return Draft(text, str(value), MarkingRule.NUMBER)
