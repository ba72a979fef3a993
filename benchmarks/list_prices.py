"""The shipped price list, made from litellm's: `python -m benchmarks.list_prices --date 2026-11-28`.

Writes routing/catalogue/prices.toml: text and embedding models of the providers that Benchroute knows by their
endpoint, those that litellm's list has a price of and no deprecation date before the day of the list.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.config.list_prices import HOSTS, ListedPrice
from gateway.config.shipped_prices import write_price_list
from gateway.upstream.litellm_prices import LitellmPrices, read_row
from routing.catalogue.model_ids import ModelIds, read_model_ids

OUTPUT = Path("routing/catalogue/prices.toml")
MODES = ("chat", "completion", "embedding", "responses")
FIRST_PARTY = ("anthropic", "deepseek", "gemini", "groq", "mistral", "openai", "xai")
"""Providers of few models: all of them are taken. Of the others, those of the model catalogue."""
SPECIAL = re.compile(
    r"(?:^|/)ft:|(?:^|[-/])(?:audio|computer-use|container|cyber|deep-research|exp|experimental|guard|live|lyria|omni|"
    r"realtime|research|robotics|rosalind|search|tts|voxtral)(?:$|[-/])"
)
"""Models of other media, of a price by call, or of a moment."""


def main() -> None:
    """Write the list, and print its length by provider."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--date", type=date.fromisoformat, required=True, help="day of the list")
    parser.add_argument("--list", type=Path, help="file in litellm's format; default: the installed package's")
    arguments = parser.parse_args()
    listed = LitellmPrices(arguments.list)
    origin = f"litellm {version('litellm')}, model_prices_and_context_window_backup.json"
    chosen = dict(select_prices(listed.rows, read_model_ids(), arguments.date))
    text = write_price_list(chosen, arguments.date, origin, sources_of(listed.rows, chosen))
    OUTPUT.write_text(text, encoding="utf-8")
    counts = Counter(provider for provider, _ in chosen)
    print(f"{OUTPUT}: {len(chosen)} prices, {len(text.encode()) / 1000:.1f} kB; {dict(counts)}")


def select_prices(
    rows: Mapping[str, dict[str, Any]], ids: ModelIds, day: date
) -> Iterator[tuple[tuple[str, str], ListedPrice]]:
    """Yield (provider, model) and price of the rows to ship."""
    for name, row in sorted(rows.items()):
        provider = str(row.get("litellm_provider", "")).split("-")[0]
        model = name.removeprefix(f"{provider}/")
        if provider not in HOSTS.values() or row.get("mode") not in MODES or SPECIAL.search(model):
            continue
        if provider not in FIRST_PARTY and not ids.resolve(model).is_listed:
            continue
        price = read_row(model, row)
        if price is not None and str(row.get("deprecation_date") or "9999") > day.isoformat():
            yield (provider, model), price


def sources_of(rows: Mapping[str, dict[str, Any]], chosen: Mapping[tuple[str, str], ListedPrice]) -> dict[str, str]:
    """Return each provider's page of prices: the one that most of its rows name."""
    pages: dict[str, Counter[str]] = {}
    for row in rows.values():
        provider = str(row.get("litellm_provider", "")).split("-")[0]
        if str(row.get("source", "")).startswith("https://"):
            pages.setdefault(provider, Counter())[row["source"]] += 1
    found = sorted({provider for provider, _ in chosen})
    return {provider: pages[provider].most_common(1)[0][0] for provider in found if provider in pages}


if __name__ == "__main__":
    main()
