"""The house, read from the source: floors, places of foreign libraries, size, types, docstrings."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import quantiles

import pytest

import adapt

PACKAGE = Path(__file__).parents[2] / "adapt"

# From the roof down: a module may import its own room and those after it.
FLOORS = [
    ("cli", "__main__"),
    ("serve",),
    ("explore",),
    ("scale",),
    ("predictions",),
    ("comparison",),
    ("runs",),
    ("checks",),
    ("recipe",),
    ("export",),
    ("ensembling",),
    ("methods",),
    ("evaluation",),
    ("training",),
    ("models",),
    ("data",),
    ("report",),
    ("common",),
    ("errors", "version"),
]
# The same inside a room: a module may import its own group and those after it.
ROOMS = {
    "data": [
        ("image_data", "images"),
        ("loading",),
        ("augmentation",),
        ("splits",),
        ("sources",),
        ("labels", "decoding", "shifts"),
        ("settings",),
    ],
    "report": [
        ("write", "comparison", "sweep", "explore", "displays"),
        ("content",),
        ("front", "sections"),
        ("figures", "tables"),
        ("record",),
    ],
    "runs": [
        ("run", "soup", "plan", "fit", "selection"),
        ("measures",),
        ("folder",),
    ],
    "scale": [
        ("embed", "collection", "sweep"),
        ("local_engine", "ray_engine"),
        ("engine",),
        ("parts",),
        ("embedder", "reading"),
        ("plan",),
        ("addresses", "ray_session", "settings"),
    ],
    "predictions": [
        ("run",),
        ("parts", "manifest", "opening", "transductive"),
        ("features", "rows"),
        ("inputs", "outputs"),
        ("settings",),
    ],
    "methods": [("estimator",), ("auto",), ("encoders",), ("heads",), ("features",), ("base",)],
    "evaluation": [
        ("evaluate",),
        ("judging",),
        ("uncertainty", "robustness", "several_labels", "unlabelled"),
        ("metrics",),
    ],
}
KNOW_RECIPES = ("cli", "__main__", "comparison", "scale", "runs", "checks", "recipe")
SETTINGS_MAY = ("adapt.errors", "adapt.common")
# Settings that hold settings of the rooms below.
SETTINGS_OF: dict[str, tuple[str, ...]] = {
    "ensembling": ("adapt.ensembling.rules.base",),
    "evaluation": ("adapt.data.sources.base",),
    "explore": ("adapt.training.settings",),
    "predictions": ("adapt.training.settings",),
    "scale": ("adapt.training.settings", "adapt.scale.settings"),
}

# Where a foreign library may be imported: starts of module names.
PLACES = {
    "pytorch_lightning": ("adapt.training",),
    "lightning": (),
    "open_clip": (
        "adapt.models.backbones",
        "adapt.models.building",
        "adapt.models.weight_files",
        "adapt.export.formats.open_clip",
    ),
    "timm": ("adapt.models.building",),
    "huggingface_hub": (
        "adapt.models.building",
        "adapt.models.weight_files",
        "adapt.export.registries.hub",
        "adapt.cli.commands.weights",
    ),
    "mlflow": ("adapt.export.registries.mlflow",),
    "wandb": ("adapt.export.registries.wandb",),
    "peft": ("adapt.models.adapters.lora", "adapt.export.formats.peft"),
    "albumentations": ("adapt.data.augmentation",),
    "pydantic": ("adapt.data.augmentation",),
    "omegaconf": ("adapt.recipe",),
    "typer": ("adapt.cli",),
    "rich": ("adapt.cli",),
    "matplotlib": ("adapt.report.figures",),
    "jinja2": ("adapt.report",),
    "markupsafe": ("adapt.report",),
    "starlette": ("adapt.serve",),
    "uvicorn": ("adapt.serve",),
    "python_multipart": ("adapt.serve",),
    "prometheus_client": ("adapt.serve",),
    "ray": ("adapt.scale",),
    "fsspec": ("adapt.scale",),
    "faiss": ("adapt.explore.search",),
    # Between the processes of one run, which trust each other; never from a file.
    "pickle": ("adapt.training.processes.messages",),
    "hydra": (),
}
LINES, BODY, BODY_P90, PARAMETERS, PUBLIC, FILES = 400, 60, 30, 8, 17, 12
NO_DOCSTRING = ("__init__", "__post_init__")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Import:
    """One imported module name, and where."""

    target: str
    line: int
    at_load: bool


@dataclass
class Module:
    """One file of the package."""

    name: str
    path: Path
    text: str
    tree: ast.Module
    imports: list[Import] = field(default_factory=list)

    @property
    def floor(self) -> str:
        return floor_name(self.name)


def floor_name(module: str) -> str:
    """The room under `adapt`."""
    return module.split(".")[1] if "." in module else ""


def is_type_checking(node: ast.AST) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def nodes(tree: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node but those under `if TYPE_CHECKING`, and whether it stands in a function."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and is_type_checking(child):
            for other in child.orelse:
                yield other, in_function
                yield from nodes(other, in_function)
            continue
        yield child, in_function
        yield from nodes(child, in_function or isinstance(child, Function | ast.Lambda))


def imports(module: Module, known: set[str]) -> Iterator[Import]:
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node, in_function in nodes(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, not in_function)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in known else base, node.lineno, not in_function)


@cache
def modules() -> dict[str, Module]:
    """All modules of the package, by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, path, text, ast.parse(text))
    for module in found.values():
        module.imports = list(imports(module, set(found)))
    return found


def functions() -> Iterator[tuple[Module, str, Function, bool]]:
    """Module, qualified name, node, and whether it is a method, of every function."""

    def walk(module: Module, tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function, bool]]:
        for child in ast.iter_child_nodes(tree):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child, isinstance(tree, ast.ClassDef)
                yield from walk(module, child, f"{prefix}{child.name}.<locals>.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(module, child, f"{prefix}{child.name}.")
            else:
                yield from walk(module, child, prefix)

    for module in modules().values():
        for name, node, method in walk(module, module.tree, ""):
            yield module, name, node, method


def where(module: Module, line: int) -> str:
    return f"{module.path.relative_to(PACKAGE.parent)}:{line}"


def body_lines(node: Function) -> int:
    """Lines of a body, its docstring left out."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def report(violations: list[str]) -> None:
    assert not violations, "\n".join([f"{len(violations)} violations", *violations])


def rank(part: str, floors: list[tuple[str, ...]] = FLOORS) -> int | None:
    return next((i for i, names in enumerate(floors) if part in names), None)


def inner(module: str) -> str:
    """The group inside a room: a sub-room, or a single file."""
    return module.split(".")[2] if module.count(".") > 1 else ""


def test_every_module_has_a_floor() -> None:
    missing = [name for name, module in modules().items()
               if name != "adapt" and rank(module.floor) is None]  # fmt: skip
    missing += [name for name, module in modules().items()
                if module.floor in ROOMS and name.count(".") > 2
                and rank(inner(name), ROOMS[module.floor]) is None]  # fmt: skip
    report(missing)


def upward(module: Module, target: str) -> str:
    """What is wrong with an import of this target, or nothing."""
    above, below, room = rank(module.floor), rank(floor_name(target)), module.floor
    if below is None:
        return "; import the module that defines it"
    if above is not None and below < above:
        return ", which is on a floor above"
    if floor_name(target) == "recipe" and room not in KNOW_RECIPES:
        return f"; only {', '.join(KNOW_RECIPES)} know recipes"
    if floor_name(target) == room and room in ROOMS:
        above, below = rank(inner(module.name), ROOMS[room]), rank(inner(target), ROOMS[room])
        if above is not None and below is not None and below < above:
            return f", which is above it in the room {room}"
    if module.name.endswith(".settings") and not target.startswith(
        (*SETTINGS_MAY, *SETTINGS_OF.get(room, ()))
    ):
        return f"; settings may import only {', '.join(SETTINGS_MAY)}"
    return ""


def test_imports_point_down() -> None:
    """The room of a module is the second word of its name; imports inside functions count."""
    violations = []
    for module in modules().values():
        if module.name == "adapt":
            continue  # the door, which shows names of all floors
        for imported in module.imports:
            if imported.target.split(".")[0] == "adapt":
                problem = upward(module, imported.target)
                place = f"{where(module, imported.line)}: {module.name} imports {imported.target}"
                violations += [place + problem] if problem else []
    report(violations)


def test_report_reads_a_run_folder_alone() -> None:
    """It imports nothing of `adapt` but `common` and `errors`, and no torch."""
    allowed = ("adapt.report", "adapt.common", "adapt.errors", "adapt.version")
    report([f"{where(module, imported.line)}: {imported.target}"
            for module in modules().values() if module.floor == "report"
            for imported in module.imports
            if imported.target.split(".")[0] in ("adapt", "torch")
            and not imported.target.startswith(allowed)])  # fmt: skip


def test_foreign_libraries_have_one_place() -> None:
    violations = []
    for module in modules().values():
        for one in module.imports:
            places = PLACES.get(one.target.split(".")[0])
            if places is not None and not module.name.startswith(places):
                allowed = ", ".join(places) or "nowhere"
                violations.append(f"{where(module, one.line)}: {one.target}; allowed: {allowed}")
    report(violations)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """What is left after all that import nothing left, or that nothing left imports, is gone."""
    graph = {name: set(targets) for name, targets in graph.items()}
    while free := [name for name, targets in graph.items()
                   if not targets & graph.keys()
                   or not any(name in others for others in graph.values())]:  # fmt: skip
        for name in free:
            del graph[name]
    return [f"{name} -> {', '.join(sorted(targets & graph.keys()))}"
            for name, targets in graph.items()]  # fmt: skip


def test_no_import_cycle() -> None:
    """Imports inside functions count: they hide a circle, they do not remove it."""
    report(circle({
        name: {one.target for one in module.imports
               if one.target in modules() and one.target not in (name, "adapt")}
        for name, module in modules().items()
    }))  # fmt: skip


def folder_of(module: str) -> str:
    path = modules()[module].path
    return path.parent.relative_to(PACKAGE.parent).as_posix()


def test_no_cycle_of_folders() -> None:
    """A folder is the files that stand in it, those of its sub-folders left out."""
    graph: dict[str, set[str]] = {}
    for name, module in modules().items():
        if name in ("adapt", "adapt.__main__"):
            continue
        targets = {folder_of(one.target) for one in module.imports if one.target in modules()}
        graph.setdefault(folder_of(name), set()).update(targets - {folder_of(name)})
    report(circle(graph))


def test_folders_are_rooms() -> None:
    """Few files in the root, at most 12 in a folder, and no file name that begins like it."""
    files: dict[Path, list[str]] = {}
    for module in modules().values():
        if module.path.name != "__init__.py":
            files.setdefault(module.path.parent, []).append(module.path.stem)
    loose = set(files.pop(PACKAGE)) - {"__main__", "errors", "version"}
    assert len(loose) <= 3, f"loose modules: {', '.join(sorted(loose))}"
    full = {str(folder): len(names) for folder, names in files.items() if len(names) > FILES}
    assert not full, full
    report([f"{folder / name}.py repeats the name of its folder"
            for folder, names in files.items() for name in names
            if name.startswith(folder.name)])  # fmt: skip


def test_file_length() -> None:
    lengths = {where(one, 1): len(one.text.splitlines()) for one in modules().values()}
    report([f"{place}: {count} lines" for place, count in lengths.items() if count > LINES])


def test_function_length() -> None:
    lengths = [(body_lines(node), where(module, node.lineno), name)
               for module, name, node, _ in functions()]  # fmt: skip
    report([f"{place}: {name} has {count} lines" for count, place, name in lengths if count > BODY])
    p90 = quantiles([count for count, _, _ in lengths], n=10)[-1]
    longest = sorted(lengths, reverse=True)[:10]
    assert p90 <= BODY_P90, f"nine of ten functions have {p90} lines; the longest: {longest}"


def test_parameters() -> None:
    violations = []
    for module, name, node, method in functions():
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len(given) - (method and bool(given) and given[0].arg in ("self", "cls"))
        if count > PARAMETERS:
            violations.append(f"{where(module, node.lineno)}: {name} has {count} parameters")
    report(violations)


def test_everything_is_annotated() -> None:
    violations = []
    for module, name, node, method in functions():
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if method and given and given[0].arg in ("self", "cls"):
            given = given[1:]
        given += [one for one in (node.args.vararg, node.args.kwarg) if one is not None]
        missing = [one.arg for one in given if one.annotation is None]
        missing += ["return"] if node.returns is None else []
        if missing:
            violations.append(f"{where(module, node.lineno)}: {name} lacks {', '.join(missing)}")
    report(violations)


def undocumented(tree: ast.AST, prefix: str = "") -> Iterator[tuple[int, str]]:
    """Line and name of public definitions without docstring; functions inside functions are not."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.ClassDef | Function):
            magic = child.name.startswith("__") and child.name.endswith("__")
            if child.name.startswith("_") or child.name in NO_DOCSTRING or magic:
                continue
            overloaded = any("overload" in ast.unparse(one) for one in child.decorator_list)
            if ast.get_docstring(child) is None and not overloaded:
                yield child.lineno, f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from undocumented(child, prefix)


def test_every_public_name_is_documented() -> None:
    violations = []
    for module in modules().values():
        if ast.get_docstring(module.tree) is None and module.text.strip():
            violations.append(f"{where(module, 1)}: the module")
        violations += [f"{where(module, line)}: {name}" for line, name in undocumented(module.tree)]
    report(violations)


@cache
def safe_loaders() -> frozenset[str]:
    """Names of PyYAML's safe loaders, and of the package's own that derive from them."""
    safe = {"SafeLoader", "CSafeLoader"}
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(base).rpartition(".")[2] in safe for base in node.bases
            ):
                safe.add(node.name)
    return frozenset(safe)


def unsafe(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    called = ast.unparse(node.func)
    options = {one.arg: one.value for one in node.keywords}
    weights_only = options.get("weights_only")
    if isinstance(weights_only, ast.Constant) and weights_only.value is False:
        return "weights_only=False"
    if called == "torch.load" and "weights_only" not in options:
        return "torch.load without weights_only=True"
    loader = ast.unparse(options["Loader"]) if "Loader" in options else ""
    own = loader.rpartition(".")[2] in safe_loaders()
    if called in ("yaml.load", "yaml.load_all", "yaml.compose") and not own:
        return f"{called} with a loader not known to be safe"
    forbidden = ("pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.unsafe_load",
                 "yaml.full_load", "eval", "exec", "os.system", "joblib.load")  # fmt: skip
    if called in forbidden or options.get("shell"):
        return called
    return "numpy with pickle" if options.get("allow_pickle") is not None and not (
        isinstance(options["allow_pickle"], ast.Constant) and options["allow_pickle"].value is False
    ) else None  # fmt: skip


def test_nothing_unsafe() -> None:
    violations = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            problem = unsafe(node)
            if problem and isinstance(node, ast.Call):
                violations.append(f"{where(module, node.lineno)}: {problem}")
    report(violations)


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("torch.load(path, weights_only=True)", False),
        ("yaml.load(text, Loader=yaml.Loader)", True),
        ("yaml.safe_load(text)", False),
        ("pickle.load(file)", True),
        ("numpy.load(path, allow_pickle=True)", True),
        ("model.eval()", False),
        ("subprocess.run(line, shell=True)", True),
    ],
)
def test_the_safety_check_catches(code: str, caught: bool) -> None:
    call = ast.parse(code, mode="eval").body
    assert (unsafe(call) is not None) == caught


@pytest.mark.parametrize("module", ["adapt", "adapt.recipe.load", "adapt.errors"])
def test_import_is_light(module: str) -> None:
    heavy = ("torch", "open_clip", "pytorch_lightning", "albumentations", "pandas", "matplotlib")
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.strip(), f"import {module} loads {done.stdout.strip()}"


def test_the_door_is_small() -> None:
    if not (PACKAGE / "__init__.py").read_text().strip():
        pytest.skip("adapt/__init__.py is still empty")
    names: list[str] = vars(adapt)["__all__"]
    assert len(names) <= PUBLIC, f"{len(names)} public names: {', '.join(names)}"
    assert len(set(names)) == len(names)
    missing = [name for name in names if not hasattr(adapt, name)]
    assert not missing, f"promised but not there: {missing}"


def test_public_names_are_not_hidden_by_modules() -> None:
    """`adapt.run` must stay a function once `adapt/run.py` or the like is imported."""
    report([name for name in adapt.__all__ if f"adapt.{name}" in modules()])
