"""New tasks: questions of the demo's clients, in settings and words that no dataset has.

trade     tasks of a trading house
office    tasks of an office
mixed     tasks unlike every dataset
"""

from collections.abc import Mapping

from demo.questions import Maker
from demo.tasks import mixed, office, trade

TASKS: Mapping[str, Maker] = {
    "invoice-totals": trade.invoice_totals,
    "warehouse-counts": trade.warehouse_counts,
    "shipping-labels": trade.shipping_labels,
    "kitchen-abroad": trade.kitchen_abroad,
    "username-cleanup": office.username_cleanup,
    "glossary-index": office.glossary_index,
    "deadline-desk": office.deadline_desk,
    "support-lookup": office.support_lookup,
    "pub-quiz": mixed.pub_quiz,
    "odd-jobs": mixed.odd_jobs,
}
"""Task id -> maker. The last two are unlike every dataset of the benchmark."""

MADE_FOR: Mapping[str, str] = {
    "invoice-totals": "arithmetic",
    "warehouse-counts": "arithmetic",
    "shipping-labels": "units",
    "kitchen-abroad": "units",
    "username-cleanup": "strings",
    "glossary-index": "strings",
    "deadline-desk": "dates",
    "support-lookup": "passages",
}
"""Task id -> the skill it requires. For tests and readers only; routing does not use it."""
