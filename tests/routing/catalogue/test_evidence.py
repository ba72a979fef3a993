"""Whose outcomes a configured model has."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.catalogue.evidence import ConfiguredModel, EvidenceMatch, MatchKind, match_models, rename_models
from routing.catalogue.model_ids import read_model_ids
from routing.catalogue.public_pack import public_pack_path, read_public_sources
from routing.errors import PackMismatch
from routing.manifest import AddedModel, Manifest, read_manifest

IDS = read_model_ids()
PACK = ("gpt-4o-2024-05-13", "gpt-4o-2024-11-20", "claude-sonnet-4-2025-05-14", "llama-3.3-70b-instruct", "gpt-4o-mini")


def match(*models: ConfiguredModel, pack: Sequence[str] = PACK) -> dict[str, tuple[str | None, MatchKind | None]]:
    return {one.model: (one.evidence, one.kind) for one in match_models(models, pack, IDS)}


def test_the_exact_version_comes_before_another() -> None:
    exact, alias, other = (
        ConfiguredModel(name) for name in ("openai/gpt-4o-2024-05-13", "gpt-4o", "gpt-4o-2024-08-06")
    )
    assert match(exact) == {exact.name: ("gpt-4o-2024-05-13", MatchKind.VERSION)}
    assert match(alias) == {"gpt-4o": ("gpt-4o-2024-11-20", MatchKind.MODEL)}
    assert match(other) == {other.name: ("gpt-4o-2024-11-20", MatchKind.MODEL)}


def test_a_month_names_its_only_day() -> None:
    assert match(ConfiguredModel("gpt-4o-2024-05")) == {"gpt-4o-2024-05": ("gpt-4o-2024-05-13", MatchKind.VERSION)}


def test_the_name_counts_before_what_is_served_and_a_strange_name_not() -> None:
    fast = ConfiguredModel("fast", ("openai/gpt-4o-mini",))
    renamed = ConfiguredModel("gpt-4o-mini", ("llama-3.3-70b-versatile",))
    assert match(fast) == {"fast": ("gpt-4o-mini", MatchKind.VERSION)}
    assert match(renamed) == {"gpt-4o-mini": ("gpt-4o-mini", MatchKind.NAME)}


def test_another_model_of_the_family_is_no_evidence() -> None:
    assert match(ConfiguredModel("claude-opus-4")) == {"claude-opus-4": (None, None)}


def test_a_model_of_the_pack_serves_one_configured_model() -> None:
    found = match_models([ConfiguredModel("cheap", ("gpt-4o-mini",)), ConfiguredModel("gpt-4o-mini")], PACK, IDS)
    assert [one.evidence for one in found] == [None, "gpt-4o-mini"]
    assert found[0].reason == "gpt-4o-mini is already the evidence of gpt-4o-mini"


def test_evidence_by_hand() -> None:
    assert match(ConfiguredModel("mine", (), "meta-llama/Llama-3.3-70B-Instruct")) == {
        "mine": ("llama-3.3-70b-instruct", MatchKind.CONFIGURED)
    }
    with pytest.raises(PackMismatch, match=r"model mine: evidence names nothing-such, which is not among the pack's 5"):
        match(ConfiguredModel("mine", (), "nothing-such"))


def manifest() -> Manifest:
    return read_manifest(public_pack_path())


def test_renaming_keeps_the_order_and_the_hash() -> None:
    before = manifest()
    added = replace(before, added=(AddedModel("gpt-4o-2024-11-20", "x", 3, None),))
    matches = match_models([ConfiguredModel("gpt-4o"), ConfiguredModel("gpt-4.1", (), "o3")], before.model_names, IDS)
    after = rename_models(added, matches)
    assert after.hash == before.hash
    place = before.model_names.index("gpt-4o-2024-11-20")
    assert after.model_names[place] == "gpt-4o" == after.on_average[before.on_average.index("gpt-4o-2024-11-20")]
    assert after.added[0].model == "gpt-4o"
    assert "gpt-4.1" in after.model_names
    assert "o3-2025-04-16" not in after.model_names


def test_a_model_of_the_pack_that_loses_its_name_gets_another() -> None:
    before = manifest()
    name, other = before.model_names[:2]
    after = rename_models(before, [EvidenceMatch(name, other, MatchKind.CONFIGURED)])
    assert after.model_names[:2] == (f"{name} (pack)", name)


@given(st.lists(st.sampled_from(sorted(IDS.names)), unique=True, max_size=8))
def test_renamed_names_are_distinct_and_renaming_again_changes_nothing(names: list[str]) -> None:
    before = manifest()
    models = [ConfiguredModel(name) for name in names]
    after = rename_models(before, match_models(models, before.model_names, IDS))
    assert len(set(after.model_names)) == len(before.model_names)
    assert rename_models(after, match_models(models, after.model_names, IDS)) == after


def test_the_shipped_pack_says_where_its_outcomes_come_from() -> None:
    shipped, public = manifest(), read_public_sources()
    assert public_pack_path().stat().st_size <= 12_000_000
    assert set(public.origins) == set(shipped.model_names)
    assert sorted(name for source in public.sources.values() for name in source.datasets) == sorted(
        dataset.name for dataset in shipped.datasets
    )
    assert sum(source.inputs for source in public.sources.values()) == shipped.n_inputs
    assert {dataset.licence for dataset in shipped.datasets} == {"Apache-2.0", "CC-BY-4.0"}
    assert all(source.url and source.credit and source.measured for source in public.sources.values())
    assert not {"texts.json", "inputs.json"} & set(shipped.files)


def test_every_model_of_the_shipped_pack_is_in_the_catalogue() -> None:
    assert [name for name in manifest().model_names if not IDS.resolve(name).is_listed] == []
