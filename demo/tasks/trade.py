"""Tasks of a trading house: invoices, the warehouse, parcels, a kitchen with foreign recipes."""

from decimal import Decimal
from random import Random

from demo.marking import MarkingRule
from demo.questions import Draft
from demo.reading import format_number

_ARTICLES = ("desk lamps", "toner cartridges", "filing cabinets", "whiteboards", "headsets", "webcams", "footrests")
_STOCK = ("pallets", "drums", "crates", "cartons", "reels", "kegs")
_GOODS_OUT = ("parcel", "suitcase", "machine part", "carpet roll", "container", "cable drum")


def invoice_totals(draw: Random) -> Draft:
    """Draw a question about the amount due on an invoice."""
    n, m = draw.randint(2, 24), draw.randint(2, 9)
    unit = Decimal(draw.randint(4, 60)) + draw.choice([Decimal(0), Decimal("0.50"), Decimal("0.25"), Decimal("0.90")])
    other = Decimal(draw.randint(3, 30))
    freight, credit, vat = draw.randint(4, 35), draw.randint(2, 7), draw.choice([5, 10, 20])
    first, second = draw.sample(_ARTICLES, 2)
    net = Decimal(draw.randint(8, 190) * 10)
    number = f"INV-{draw.choice('ABCDEF')}{draw.choice('KLMNP')}"
    text, value = (
        (f"{number}: {n} {first}, unit price {unit} EUR. Amount due?", n * unit),
        (f"{number}: quantity {n}, {first} at {unit} EUR apiece, plus freight {freight} EUR. Total payable?",
         n * unit + freight),
        (f"{number}: {n} {first} @ {unit} EUR, {m} {second} @ {other} EUR. Bill the customer for how much?",
         n * unit + m * other),
        (f"{number}: {n} {first}, unit price {unit} EUR, less credit note of {credit} EUR. Balance owing?",
         n * unit - credit),
        (f"{number}: net amount {net} EUR, VAT {vat}% on top. Gross amount?", net + net * vat / 100),
        (f"{number}: goods worth {net} EUR, early-payment discount {vat}%. Amount the client should transfer?",
         net - net * vat / 100),
    )[draw.randrange(6)]  # fmt: skip
    return Draft(text, str(value), MarkingRule.NUMBER)


def warehouse_counts(draw: Random) -> Draft:
    """Draw a question about the stock after a shift."""
    a, b, c = draw.randint(200, 1400), draw.randint(15, 180), draw.randint(11, 150)
    unit, bay = draw.choice(_STOCK), draw.choice(["North bay", "Aisle F", "Cold store", "The mezzanine", "Dock area"])
    racks, deep = draw.randint(6, 48), draw.randint(7, 36)
    text, value = (
        (f"{bay} opened the shift with {a} {unit}; {b} were dispatched and {c} received. Closing stock?", a - b + c),
        (f"Stocktake: {a} {unit} on record, {c} scrapped after the leak. What should the sheet show?", a - c),
        (f"Morning delivery brought {a} {unit}, afternoon delivery another {b}. Book in how many {unit}?", a + b),
        (f"{racks} racks, {deep} {unit} per rack. Capacity of the hall in {unit}?", racks * deep),
        (f"{bay}: {a} {unit}, then {b} shipped to Lyon, then {c} shipped to Turin. Remaining {unit}?", a - b - c),
        (f"Spread {racks * deep} {unit} evenly over {racks} racks. {unit.capitalize()} on one rack?", deep),
    )[draw.randrange(6)]
    return Draft(text, str(value), MarkingRule.NUMBER)


def shipping_labels(draw: Random) -> Draft:
    """Draw a conversion that a shipping form requires."""
    goods, x = draw.choice(_GOODS_OUT), draw.randint(3, 95)
    text, value = (
        (f"Label on the {goods} says {x} lb; the customs form accepts only kg. Enter:", x * 0.45359237),
        (f"The American agent wants pounds for the {goods}, our scale shows {x} kg.", x / 0.45359237),
        (f"Bill of lading gives the {goods} as {x} feet long. The haulier's system is in metres. Fill in the field.",
         x * 0.3048),
        (f"Trucking leg of {x * 7} miles, and the driver's log must be kept in km. Which figure goes in?",
         x * 7 * 1.609344),
        (f"For the airway bill, the {goods} is {x} inches wide and the airline asks for cm.", x * 2.54),
        (f"Courier tariff is by the ounce. Our sample pouch has {x * 5} g. Tariff weight?", x * 5 / 28.349523125),
    )[draw.randrange(6)]  # fmt: skip
    return Draft(text, format_number(value), MarkingRule.MEASURE)


def kitchen_abroad(draw: Random) -> Draft:
    """Draw a conversion of a recipe between American and metric measures."""
    x, cake = draw.randint(2, 12), draw.choice(["cheesecake", "cornbread", "brioche", "pumpkin pie", "gumbo", "ragout"])
    heat = draw.randint(30, 48) * 10
    text, value = (
        (f"Grandma's {cake} calls for {x} cups of buttermilk but my beaker only has ml on it.", x * 236.5882365),
        (f"The {cake} bakes at {heat} °F, my dial only knows Celsius. Where do I set it?", (heat - 32) / 1.8),
        (f"Butcher in Ohio sells by the pound. I need {x * 3} kg of beef for the {cake}. Order?", x * 3 / 0.45359237),
        (f"{x * 4} oz of dark chocolate go into the {cake}; I bought mine by the gram. Weigh out?",
         x * 4 * 28.349523125),
        (f"For {cake}: {x} fl oz of maple syrup. My jug is marked in millilitres.", x * 29.5735295625),
        (f"Broth for the {cake} comes in {x} quart cartons here, I think in litres.", x * 0.946352946),
    )[draw.randrange(6)]  # fmt: skip
    return Draft(text, format_number(value), MarkingRule.MEASURE)
