"""Recipes that are wrong, and what must be said about each."""

GOOD = """\
# LoRA on photos.
version: 1
name: lora_16shot
seed: 0
model: {arch: ViT-B-32, pretrained: openai}
data:
  train: {kind: folder, root: photos, shots: 16}
  val: {from: train, fraction: 0.2}
method: {name: lora, rank: 4, optim: {epochs: 3}}
ensemble: {kind: wise_ft, alphas: 11, select: val}
calibration: {kind: temperature}
evals:
  test: {kind: folder, root: tests}
  blur: {of: test, shift: gaussian_blur, severity: [1, 3, 5]}
  jpeg: {of: test, shift: jpeg, severity: 2}
report: {formats: [html, md]}
runtime: {accelerator: auto, devices: 1, precision: 32, workers: 2}
"""


def swap(*pairs: str) -> str:
    """The good recipe with parts replaced."""
    text = GOOD
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


TRAIN = "{kind: folder, root: photos, shots: 16}"
BOMB = "name: &a [x, x]\n" + "".join(
    f"k{i}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
    for i, (a, b) in enumerate(zip("abcdefgh", "bcdefghi", strict=True))
)

# Each: what is wrong, the text, and the start of every sentence it must give, in any order.
MALFORMED: list[tuple[str, str | bytes, list[str]]] = [
    ("unknown top key", swap("seed: 0", "sed: 0"),
     ["sed - unknown key, did you mean 'seed'? - given 0 (line 4) - known: calibration, data,"]),
    ("unknown deep key", swap("root: photos", "rot: photos"),
     ["data.train.rot - unknown key, did you mean 'root'? - given 'photos' (line 7) - known:",
      "data.train.root - missing - given nothing - write it, or data.train.root=VALUE"]),
    ("unknown method setting", swap("rank: 4", "rnk: 4"),
     ["method.rnk - unknown key, did you mean 'rank'? - given 4 (line 9) - known: dropout, optim"]),
    ("unknown key in a nested setting", swap("epochs: 3", "epoch: 3"),
     ["method.optim.epoch - unknown key, did you mean 'epochs'? - given 3 (line 9)"]),
    ("unknown method", swap("name: lora,", "name: lra,"),
     ["method.name - not a method, did you mean 'lora'? - given 'lra' (line 9) - choose one of"]),
    ("method without a name", swap("{name: lora, rank: 4", "{rank: 4"),
     ["method.name - missing - given nothing - choose one of lora, zero_shot"]),
    ("method that is text", swap("{name: lora, rank: 4, optim: {epochs: 3}}", "lra"),
     ["method.name - not a method, did you mean 'lora'? - given 'lra' (line 9) - choose one of"]),
    ("method that is a number", swap("{name: lora, rank: 4, optim: {epochs: 3}}", "16"),
     ["method - wrong type - given 16 (line 9) - give a mapping"]),
    ("method left out", swap("method: {name: lora, rank: 4, optim: {epochs: 3}}\n", ""),
     ["method - missing - given nothing - write `method: {name: NAME}`; known: lora, zero_shot"]),
    ("setting of another method", swap("name: lora,", "name: zero_shot,"),
     ["method.rank - unknown key - given 4", "method.optim - unknown key - given {'epochs': 3}"]),
    ("text for a number", swap("rank: 4", 'rank: "4"', "alphas: 11", 'alphas: "11"'),
     ["method.rank - wrong type - given '4' (line 9) - give a whole number",
      "ensemble.alphas - wrong type - given '11' (line 10) - give a whole number"]),
    ("fraction for a whole number", swap("seed: 0", "seed: 0.5"),
     ["seed - wrong type - given 0.5 (line 4) - give a whole number"]),
    ("true for a number", swap("devices: 1", "devices: true"),
     ["runtime.devices - wrong type - given true (line 17) - give a whole number"]),
    ("a word for a list", swap("[html, md]", "html"),
     ["report.formats - wrong type - given 'html' (line 16) - give a list"]),
    ("nothing for a section", swap("{kind: temperature}", ""),
     ["calibration - wrong type - given null (line 11) - give a mapping"]),
    ("a list for a section", swap("{arch: ViT-B-32, pretrained: openai}", "[ViT-B-32]"),
     ["model - wrong type - given ['ViT-B-32'] (line 5) - give a mapping"]),
    ("several out of range in one section",
     swap("{epochs: 3}", "{epochs: 0, lr: -1, schedule: cosin, warmup: 2}"),
     ["method.optim.epochs - out of range - given 0 (line 9) - give 1 or more",
      "method.optim.lr - out of range - given -1", "method.optim.warmup - out of range - given 2",
      "method.optim.schedule - not known, did you mean 'cosine'? - given 'cosin' (line 9)"]),
    ("method's own check", swap("rank: 4", "rank: 0, targets: [x]"),
     ["method.rank - out of range - given 0 (line 9) - give 1 or more",
      "method.targets - not known - given ['x'] (line 9) - choose from q, k, v, o"]),
    ("infinite and not a number", swap("0.2", ".inf", "epochs: 3", "lr: .nan"),
     ["data.val.fraction - not a finite number - given inf (line 8) - give a number",
      "method.optim.lr - not a finite number - given nan (line 9) - give a number"]),
    ("fraction and shots", swap("0.2", "1.0", "shots: 16", "shots: 0"),
     ["data.val.fraction - out of range - given 1.0 (line 8) - give a fraction above 0 and below 1",
      "data.train.shots - out of range - given 0 (line 7) - give null (all) or 1 or more"]),
    ("missing values", swap("photos", "???", "ViT-B-32", "???"),
     ["data.train.root - missing - given '???' (line 7) - write a value, or data.train.root=VALUE",
      "model.arch - missing - given '???' (line 5) - write a value, or model.arch=VALUE"]),
    ("sections left out", "version: 1\nmethod: {name: lora}\n",
     ["name - missing - given nothing", "model.arch - missing - given nothing",
      "model.pretrained - missing", "data.train.kind - missing - given nothing - write it"]),
    ("duplicate keys", swap("seed: 0", "seed: 0\nseed: 1", "rank: 4", "rank: 4, rank: 5"),
     ["seed - duplicate key - given again in line 5 (line 4) - keep one of them",
      "method.rank - duplicate key - given again in line 10 (line 10) - keep one of them"]),
    ("top level is a list", "- version: 1\n",
     ["recipe - not a mapping - given [{'version': 1}] - write `key: value` lines"]),
    ("top level is text", "hello", ["recipe - not a mapping - given 'hello'"]),
    ("syntax", swap("kind: temperature}", "kind: temperature"),
     ["recipe - not YAML - given expected ',' or '}', but got ':' (line 12, column 6)"]),
    ("tab", "version: 1\nmodel:\n\tarch: x\n", ["recipe - not YAML - given found character '\\t'"]),
    ("two documents", "version: 1\n---\nversion: 1\n", ["recipe - not YAML - given but found ano"]),
    ("empty", "# nothing yet\n", ["recipe - empty - given nothing - start from a copy"]),
    ("not UTF-8", b"name: \xff\n", ["recipe - not UTF-8 text - given byte 6 - save it as UTF-8"]),
    ("control character", "name: a\x00b\n", ["recipe - not YAML - given special characters"]),
    ("newer version", swap("version: 1", "version: 2"),
     ["version - not known to this adapt - given 2 (line 2) - install a newer adapt"]),
    ("version 0", swap("version: 1", "version: 0"),
     ["version - not known to this adapt - given 0 (line 2) - write 1"]),
    ("python object", swap("seed: 0", "seed: !!python/object/apply:os.system [touch pwned]"),
     ["seed - refused - given the tag !!python/object/apply:os.system (line 4) - remove the tag"]),
    ("own tag and binary", swap("seed: 0", "seed: !mine 3", "openai", "!!binary aGk="),
     ["seed - refused - given the tag !mine (line 4)",
      "model.pretrained - refused - given the tag !!binary (line 5)"]),
    ("_target_", swap("rank: 4", "_target_: os.system", "kind: temperature", "_partial_: true"),
     ["method._target_ - refused - given 'os.system' (line 9) - remove it: recipes name no code",
      "calibration._partial_ - refused - given true (line 11)"]),
    ("alias bomb", BOMB, ["recipe - too large - given more than 10000 values after its aliases"]),
    ("recursive alias", "version: 1\nevals: &a {x: *a}\n",
     ["recipe - contains itself - given an alias at evals.x in line 2 - remove it"]),
    ("deep nesting", "name: " + "[" * 5000, ["recipe - too large - given too many levels of nest"]),
    ("very long", "name: " + "x" * 300_000, ["recipe - too large - given 300006 characters"]),
    ("environment", swap("openai", "'${oc.env:AWS_SECRET}'", "lora_16shot", "${env:HOME}"),
     ["model.pretrained - refused - given '${oc.env:AWS_SECRET}' (line 5) - only ${key.path}",
      "name - refused - given '${env:HOME}' (line 3) - only ${key.path} references are read"]),
    ("other interpolations", swap("openai", "'${oc.decode:${name}}'", "photos", "'\\${x'"),
     ["model.pretrained - refused - given '${oc.decode:${name}}'", "data.train.root - refused"]),
    ("references to nothing", swap("openai", "'${model.nme}'", "photos", "'${data}'"),
     ["model.pretrained - refers to model.nme, which is not there - given '${model.nme}'",
      "data.train.root - refers to data, which is not one plain value - given '${data}'"]),
    ("reference in braces without quotes", swap("openai", "${name}"),
     ["recipe - not YAML - given expected ',' or '}', but got '{' (line 5, column 38) - correct it;"
      " text with any of {}[],:#? in it needs quotes"]),
    ("circle of references", swap("openai", "'${model.arch}'", "ViT-B-32", "'${model.pretrained}'"),
     ["model.pretrained - refers to model.arch, which has no value of its own",
      "model.arch - refers to model.pretrained, which "]),
    ("alpha chosen on an eval", swap("select: val", "select: test"),
     ["ensemble.select - evals are test data, and nothing may be chosen on test data - given "
      "'test' (line 10) - write val, the only split alpha may be chosen on"]),
    ("alpha chosen on nothing", swap("select: val", "select: vall"),
     ["ensemble.select - not a split to choose on - given 'vall' (line 10) - write val"]),
    ("alpha chosen on train", swap("select: val", "select: train"),
     ["ensemble.select - the model has learned these images, alpha 1 would always win - given"]),
    ("choices", swap("wise_ft", "wise", "temperature", "temp", "html", "pdf", "from: train",
                     "from: test"),
     ["ensemble.kind - not known, did you mean 'wise_ft'? - given 'wise' (line 10)",
      "calibration.kind - not known, did you mean 'temperature'? - given 'temp' (line 11)",
      "report.formats[0] - not known - given 'pdf' (line 16) - choose from html, md",
      "data.val.from - not known - given 'test' (line 8) - choose one of train"]),
    ("more choices", swap("  val:", "  augmentation: cutout\n  quarantine_limit: 2\n  val:",
                          "alphas: 11", "alphas: 1, rule: test", "precision: 32", "precision: 8"),
     ["data.augmentation - not known - given 'cutout' (line 8) - choose one of none, clip",
      "data.quarantine_limit - out of range - given 2.0 (line 9) - give a fraction of at least",
      "ensemble.alphas - out of range - given 1 (line 12)", "ensemble.rule - not known - given",
      "runtime.precision - not known - given '8' (line 19) - choose one of auto, 32"]),
    ("shift of nothing", swap("of: test, shift: jpeg", "of: tst, shift: jpg"),
     ["evals.jpeg.of - not an eval, did you mean 'test'? - given 'tst' (line 15) - choose one of",
      "evals.jpeg.shift - not a shift, did you mean 'jpeg'? - given 'jpg' (line 15) - choose one"]),
    ("shift of a shift", swap("of: test, shift: jpeg", "of: blur, shift: jpeg"),
     ["evals.jpeg.of - is itself a shift, and shifts are not stacked - given 'blur' (line 15)"]),
    ("severity", swap("[1, 3, 5]", "[1, 6]", "severity: 2", "severity: 0"),
     ["evals.blur.severity - out of range - given [1, 6] (line 14) - give a whole number from",
      "evals.jpeg.severity - out of range - given 0 (line 15) - give a whole number from 1 to 5"]),
    ("severity lists", swap("[1, 3, 5]", "[]", "severity: 2", "severity: [2, 2]"),
     ["evals.blur.severity - out of range - given []",
      "evals.jpeg.severity - out of range - given [2,"]),
    ("severity types", swap("[1, 3, 5]", "[1, high]", "severity: 2", "severity: 2.5"),
     ["evals.blur.severity[1] - wrong type - given 'high' (line 14) - give a whole number",
      "evals.jpeg.severity - wrong type - given 2.5 (line 15) - give a whole number or a list"]),
    ("incomplete shift", swap(", shift: jpeg, severity: 2", ""),
     ["evals.jpeg.shift - missing - given nothing", "evals.jpeg.severity - missing - given noth"]),
    ("reserved eval names", swap("  jpeg:", "  val:"),
     ["evals.val - val is not a test set, the name is reserved - given 'val' (line 15) - choose"]),
    ("unsafe eval names", swap("  jpeg:", "  ../up:", "  blur:", "  con:"),
     ["evals.../up - not safe in a file name - given '../up' (line 15) - choose another name",
      "evals.con - not safe in a file name - given 'con' (line 14) - choose another name"]),
    ("colliding eval names", swap("  jpeg:", "  Blur_3:"),
     ["evals.Blur_3 - same name as evals.blur - given 'Blur_3' (line 15) - rename one"]),
    ("number as a key", swap("  jpeg:", "  2024:"),
     ["evals.2024 - not a key - given 2024 in line 15 - keys are text; put it in quotes"]),
    ("shots of an eval", swap("root: tests}", "root: tests, shots: 4}"),
     ["evals.test.shots - evals are never sampled - given 4 (line 13) - remove it"]),
    ("unsafe name", swap("lora_16shot", "../lora", "seed: 0", "seed: -1"),
     ["name - not safe in a file name - given '../lora' (line 3) - use letters, digits,",
      "seed - out of range - given -1 (line 4) - give 0 to 4294967295"]),
    ("templates", swap("openai}", 'openai, templates: [photo, "a {} {}", "{0.x} {}", simple]}'),
     ["model.templates[0] - not a template - given 'photo' (line 5) - write a sentence with one",
      "model.templates[1] - not a template - given 'a {} {}'", "model.templates[2] - not a temp"]),
    ("no templates", swap("openai}", "openai, templates: []}"),
     ["model.templates - empty - given [] (line 5) - give at least 1"]),
    ("source of another kind", swap(TRAIN, "{kind: table, name: photos, domain: x}"),
     ["data.train.name - does not go with kind table - given 'photos' (line 7) - remove it; kind",
      "data.train.domain - does not go with kind table", "data.train.path - missing - given noth"]),
    ("embedded without a name", swap(TRAIN, "{kind: embedded}"),
     ["data.train.name - missing - given nothing - write it, or data.train.name=VALUE",
      "data.train.domain - missing - given nothing - write it"]),
    ("unknown kind", swap(TRAIN, "{kind: foldr, root: photos}"),
     ["data.train.kind - not known, did you mean 'folder'? - given 'foldr' (line 7) - choose"]),
    ("eval without a kind", swap("{kind: folder, root: tests}", "{root: tests}"),
     ["evals.test.kind - missing - given nothing - write it, or evals.test.kind=VALUE"]),
    ("folders that are not there", swap("root: photos", "root: fotos", "root: tests", "root: tst",
                                        "  val:", "  classes: classes.yaml\n  val:"),
     ["data.train.root - no such folder - given 'fotos' (line 7) - correct it, or data.train.root=",
      "evals.test.root - no such folder - given 'tst' (line 14)",
      "data.classes - no such file - given 'classes.yaml' (line 8) - correct it, or data.cl"]),
    ("empty root", swap("root: photos", 'root: ""'), ["data.train.root - empty - given '' (line"]),
    ("mistakes everywhere at once", swap("seed: 0", "seed: x", "root: photos", "root: no",
                                         "rank: 4", "rank: 0", "severity: 2", "severity: 7"),
     ["seed - wrong type", "data.train.root - no such folder", "method.rank - out of range",
      "evals.jpeg.severity - out of range"]),
]  # fmt: skip
