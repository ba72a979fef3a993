"""Structure of the code: imports, sizes, and what stays out of the gateway's process."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "hnswlib",
    "sentence_transformers",
    "transformers",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "litellm",
    "pyarrow",
    "opentelemetry.sdk",
)


def test_the_rooms_keep_to_their_imports() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    command = [str(program), "--config", str(TOP / "pyproject.toml"), "--no-cache"]
    found = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import gateway.server.serve",
        "from gateway.server.app import Gateway; from gateway.config import load_config; from pathlib import Path; "
        "Gateway(load_config(Path('config.yaml'), {}))",
        "import gateway.cli",
        "from gateway.state.sqlite import open_store; open_store('sqlite:///FOLDER/state.db').close()",
    ],
)
def test_the_gateways_process_imports_nothing_heavy(code: str, tmp_path: Path) -> None:
    """Neither what embeds and searches, nor litellm while no backend needs it."""
    told = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    program = f"{code.replace('FOLDER', str(tmp_path))}\n{told}"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


@pytest.mark.parametrize("folder", ["gateway", "routing"])
def test_no_module_has_grown_past_four_hundred_lines(folder: str) -> None:
    long = [str(path) for path in (TOP / folder).rglob("*.py") if len(path.read_text().splitlines()) > 400]
    assert long == []


def test_every_word_that_make_lists_has_a_rule() -> None:
    makefile = (TOP / "Makefile").read_text()
    words = makefile.split(".PHONY:")[1].splitlines()[0].split()
    assert [word for word in words if f"\n{word}:" not in makefile] == []


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    members = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in plain | members}


def test_the_tests_import_neither_benchmarks_nor_qa() -> None:
    """Both have tests of their own, in benchmarks/tests and qa/tests, and may use the helpers in tests/."""
    modules = (TOP / "tests").rglob("*.py")
    assert [str(path.relative_to(TOP)) for path in modules if imported_packages(path) & {"benchmarks", "qa"}] == []


# The laws of the layout. A package's modules, layers and sizes are read from the files, not from a list here.


def packages_below(*folders: str) -> list[str]:
    """Return the packages with modules of their own, by path."""
    found = (init.parent for folder in folders for init in sorted((TOP / folder).rglob("__init__.py")))
    return [str(folder.relative_to(TOP)) for folder in found if modules_of(folder)]


def modules_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}


def parse_modules(*folders: str) -> dict[str, ast.Module]:
    paths = sorted(path for folder in folders for path in (TOP / folder).rglob("*.py"))
    return {str(path.relative_to(TOP)): ast.parse(path.read_text()) for path in paths}


PACKAGES = packages_below("gateway", "routing", "demo", "qa", "benchmarks")


@pytest.mark.parametrize("package", [name for name in PACKAGES if "tests" not in Path(name).parts])
def test_a_packages_docstring_maps_its_modules(package: str) -> None:
    """One line for each: the name, two spaces or more, what it is. Folders and `__main__` may have lines too."""
    folder = TOP / package
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    named = set(re.findall(r"^ *(\w+)/? {2,}\S", docstring, flags=re.MULTILINE))
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert named - folders - {"__main__"} == modules_of(folder)


def gateway_parts() -> set[str]:
    """Return the packages and modules at the top of gateway/."""
    return {path.parent.name for path in (TOP / "gateway").glob("*/__init__.py")} | modules_of(TOP / "gateway")


def imported_parts(tree: ast.Module) -> set[str]:
    """Return the parts of the gateway that a module imports, inside functions too."""
    nodes = list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module):
        names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("gateway.")} & gateway_parts()


def test_no_packages_of_the_gateway_import_each_other_in_a_circle() -> None:
    imports: dict[str, set[str]] = {part: set() for part in gateway_parts()}
    for path, tree in parse_modules("gateway").items():
        part = Path(path).parts[1].removesuffix(".py")
        if part in imports:
            imports[part] |= imported_parts(tree) - {part}
    while leaves := [part for part, below in imports.items() if not below]:
        for leaf in leaves:
            del imports[leaf]
        for below in imports.values():
            below.difference_update(leaves)
    assert imports == {}


def test_the_contract_of_layers_names_every_part_of_the_gateway() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert sorted(name.strip() for layer in layers for name in layer.split("|")) == sorted(gateway_parts())


def test_few_classes_share_a_name() -> None:
    trees = parse_modules("gateway", "routing").values()
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    shared = [name for name, count in names.items() if count > 1 and not name.startswith("_")]
    assert len(shared) <= 5, shared


@pytest.mark.parametrize("package", ["gateway/proxy", "gateway/upstream"])
def test_no_class_of_the_request_path_has_grown_past_two_hundred_lines(package: str) -> None:
    nodes = [node for tree in parse_modules(package).values() for node in ast.walk(tree)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes if (node.end_lineno or 0) - node.lineno >= 200] == []


ODD_STARTS = ("What ", "One ", "Whether ", "How ", "See ")


@pytest.mark.parametrize("folder", ["gateway", "routing"])
def test_docstrings_begin_with_a_verb_or_a_noun(folder: str) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for tree in parse_modules(folder).values() for node in ast.walk(tree) if isinstance(node, kinds)]
    docstrings = [docstring for node in nodes if (docstring := ast.get_docstring(node))]
    odd = [docstring.splitlines()[0] for docstring in docstrings if docstring.startswith(ODD_STARTS)]
    assert len(odd) < 0.05 * len(docstrings), odd


@pytest.mark.parametrize(
    "folder", ["gateway/proxy", "gateway/http", "gateway/upstream", "gateway/distributed", "routing"]
)
def test_comments_give_reasons_at_least_twice_in_a_hundred_lines(folder: str) -> None:
    lines = [line for path in (TOP / folder).rglob("*.py") for line in path.read_text().splitlines()]
    comments = [line for line in lines if re.match(r"\s*#(?!!| noqa| fmt| type)", line)]
    assert len(comments) >= 0.02 * len(lines), f"{len(comments)} comments in {len(lines)} lines"


def test_no_rule_of_make_has_backticks() -> None:
    """The shell runs what stands between them: a rule that names its own word in a message would start itself."""
    rules = [line for line in (TOP / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert [line for line in rules if "`" in line] == []
