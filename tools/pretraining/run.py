"""Contrastive pretraining from a recipe: what made the embedded model.

python -m tools.pretraining.run tools/pretraining/icons.yaml pairs=icons/packed --out pretraining
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import MISSING
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from adapt.common.typed import FOLDER, leads
from adapt.models.backbones import BackboneSpec, load_backbone, tokenizer_of
from adapt.recipe.build import Builder
from adapt.recipe.load import all_mistakes, read_mapping
from adapt.recipe.text import Problems, apply_override, resolve_references
from adapt.training.loop import quiet_lightning
from adapt.training.runtime import resolve_accelerator, resolve_precision
from adapt.training.settings import PRECISIONS
from adapt.training.trainer.checkpoints import AtomicCheckpointIO
from tools.pretraining.module import ContrastiveModule
from tools.pretraining.pairs import CurriculumSampler, PackedPairs
from tools.pretraining.settings import Pretraining

CHECKPOINT_STEPS = 250


@dataclass
class PretrainRecipe:
    """Schema of a pretraining recipe."""

    version: int = 1
    """Version of this format."""
    name: str = "pretrain"
    """Name of the training."""
    seed: int = 0
    """Fixes initial weights, order and augmentation."""
    arch: str = "adapt-icons-xs"
    """Architecture, trained from random weights."""
    pairs: str = MISSING
    """Folder of packed pairs (`tools.pretraining.pairs`)."""
    templates: list[str] = field(default_factory=lambda: ["{}"])
    """Sentences around a caption; one is drawn for each pair and step."""
    training: Pretraining = field(default_factory=Pretraining)
    """Steps, rates, curriculum."""
    compile: bool = False
    """Compile the encoders: a third faster on a CPU with a C++ compiler."""
    precision: str = "32"
    """`auto`, `32`, `bf16-mixed` or `16-mixed`."""

    def __post_init__(self) -> None:
        wrong = []
        if self.version != 1:
            wrong.append(f"version - not known to this version of adapt - {self.version} - write 1")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            wrong.append(f"precision - not known - {self.precision!r} - choose one of {known}")
        if not self.templates or any(t.count("{}") != 1 for t in self.templates):
            wrong.append(
                f"templates - not templates - {self.templates} - write {{}} once in each sentence"
            )
        if not 0 <= self.seed < 2**32:
            wrong.append(f"seed - out of range - {self.seed} - give 0 to {2**32 - 1}")
        if wrong:
            raise ValueError("\n".join(wrong))


def caption_tokens(captions: list[str], templates: list[str], spec: BackboneSpec) -> torch.Tensor:
    """Tokens of every caption under every template, shape (T, N, L)."""
    unique = sorted(set(captions))
    place = {caption: i for i, caption in enumerate(unique)}
    index = torch.tensor([place[caption] for caption in captions])
    rows = (tokenizer_of(spec)([t.replace("{}", caption) for caption in unique]) for t in templates)
    return torch.stack([tokens[index].int() for tokens in rows])


def load_pretrain_recipe(recipe: str, overrides: list[str]) -> PretrainRecipe:
    """Read a pretraining recipe as strictly as the recipe of a run.

    Args:
        recipe: Path.
        overrides: `key.path=value` texts.

    Raises:
        RecipeError: Listing every mistake.
    """
    file, problems = Path(recipe), Problems()
    data = read_mapping(file, problems)
    for override in overrides:
        apply_override(data, override, problems)
    builder = Builder(problems)
    section = builder.section(PretrainRecipe, resolve_references(data, problems), "")
    folder = builder.built.get("pairs")
    if folder and not leads(folder, FOLDER):
        problems.add("pairs", "no such folder", folder, "correct it, or pairs=PATH")
    if problems.noted:
        raise all_mistakes(file, problems)
    assert isinstance(section, PretrainRecipe)
    return section


def pretrain(recipe: str, out: str | Path, overrides: list[str]) -> Path:
    """Train (or continue to train) and write `weights.safetensors` with both encoders in fp16.

    Args:
        recipe: Path of a pretraining recipe.
        out: Folder of log, checkpoints and weights; training continues from its last checkpoint.
        overrides: `key.path=value` texts.

    Returns:
        The path of the weights.

    Raises:
        RecipeError: See `load_pretrain_recipe`.
        DataError: When the packed pairs are missing.
    """
    settings, folder = load_pretrain_recipe(recipe, overrides), Path(out)
    pl.seed_everything(settings.seed, verbose=False)
    pairs = PackedPairs(settings.pairs)
    backbone = load_backbone(settings.arch, "random", settings.seed)
    model = backbone.model.train()
    tokens = caption_tokens(pairs.captions, settings.templates, backbone.spec)
    module = ContrastiveModule(
        model, tokens, torch.bincount(pairs.group), settings.training, settings.seed
    )
    if settings.compile:
        model.visual.compile()
        model.transformer.compile()
    last = folder / "checkpoints" / "last.ckpt"
    first = torch.load(last, weights_only=True)["global_step"] if last.is_file() else 0
    plan = settings.training
    sampler = CurriculumSampler(
        pairs,
        plan.batch_size,
        plan.steps,
        plan.easy_steps,
        plan.easy_size,
        plan.colour_weight,
        settings.seed,
        first,
    )
    loader = DataLoader(pairs, sampler=sampler, batch_size=None, num_workers=1)
    with quiet_lightning():
        trainer = _trainer(settings, folder)
        trainer.fit(module, loader, ckpt_path=last if first else None)
    target = folder / "weights.safetensors"
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, target, metadata={"format": "pt"})
    return target


def _trainer(settings: PretrainRecipe, folder: Path) -> pl.Trainer:
    every = min(CHECKPOINT_STEPS, settings.training.steps)
    device = resolve_accelerator("auto")
    checkpoints = ModelCheckpoint(
        folder / "checkpoints",
        save_last=True,
        save_top_k=0,
        every_n_train_steps=every,
        enable_version_counter=False,  # otherwise resuming twice would start from the same place
    )
    return pl.Trainer(
        accelerator=device,
        devices=1,
        precision=resolve_precision(settings.precision, device),  # type: ignore[arg-type]
        max_steps=settings.training.steps,
        gradient_clip_val=1.0,
        logger=CSVLogger(str(folder), name="", version=""),
        log_every_n_steps=min(50, every),
        callbacks=[checkpoints],
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def main() -> None:
    """Pretrain as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="path of a pretraining recipe")
    parser.add_argument("overrides", nargs="*", help="key.path=value")
    parser.add_argument("--out", default="pretraining", help="folder of checkpoints and weights")
    given = parser.parse_args()
    print(pretrain(given.recipe, given.out, given.overrides))


if __name__ == "__main__":
    main()
