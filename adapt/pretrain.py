"""Contrastive pretraining from a recipe: what made the embedded model."""

from dataclasses import dataclass, field
from pathlib import Path

import open_clip
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from adapt.data.pairs import CurriculumSampler, PackedPairs
from adapt.training.contrastive import ContrastiveModule, Pretraining

CONFIGS = Path(__file__).parent / "models" / "configs"


@dataclass
class PretrainRecipe:
    """Schema of a pretraining recipe."""

    version: int = 1
    name: str = "pretrain"
    seed: int = 0
    arch: str = "adapt-icons-xs"
    pairs: str = "???"
    templates: list[str] = field(default_factory=lambda: ["{}"])
    training: Pretraining = field(default_factory=Pretraining)
    compile: bool = False
    precision: str = "32-true"


def caption_tokens(captions: list[str], templates: list[str], arch: str) -> torch.Tensor:
    """Tokens of every caption under every template, shape (T, N, L)."""
    tokenizer = open_clip.get_tokenizer(arch)
    unique = sorted(set(captions))
    place = {caption: i for i, caption in enumerate(unique)}
    index = torch.tensor([place[caption] for caption in captions])
    return torch.stack([tokenizer([t.format(c) for c in unique])[index].int() for t in templates])


def pretrain(recipe_path: str, out: str, overrides: list[str]) -> Path:
    """Train (or go on training) and write ``weights.safetensors`` with both towers in fp16."""
    recipe = OmegaConf.to_object(
        OmegaConf.merge(
            OmegaConf.structured(PretrainRecipe),
            OmegaConf.load(recipe_path),
            OmegaConf.from_dotlist(overrides),
        )
    )
    assert isinstance(recipe, PretrainRecipe)
    open_clip.add_model_config(CONFIGS)
    pl.seed_everything(recipe.seed)
    folder = Path(out)
    pairs = PackedPairs(recipe.pairs)
    model = open_clip.create_model(recipe.arch, pretrained=None)
    tokens = caption_tokens(pairs.captions, recipe.templates, recipe.arch)
    module = ContrastiveModule(
        model, tokens, torch.bincount(pairs.group), recipe.training, recipe.seed
    )
    if recipe.compile:
        model.visual.compile()
        model.transformer.compile()
    last = folder / "checkpoints" / "last.ckpt"
    first = torch.load(last, weights_only=True)["global_step"] if last.is_file() else 0
    settings = recipe.training
    sampler = CurriculumSampler(
        pairs,
        settings.batch_size,
        settings.steps,
        settings.easy_steps,
        settings.easy_size,
        settings.colour_weight,
        recipe.seed,
        first,
    )
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        precision=recipe.precision,  # type: ignore[arg-type]
        max_steps=settings.steps,
        gradient_clip_val=1.0,
        logger=CSVLogger(str(folder), name="", version=""),
        log_every_n_steps=50,
        callbacks=[
            ModelCheckpoint(
                folder / "checkpoints", save_last=True, save_top_k=0, every_n_train_steps=250
            )
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        module,
        DataLoader(pairs, sampler=sampler, batch_size=None, num_workers=1),
        ckpt_path=last if first else None,
    )
    target = folder / "weights.safetensors"
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, target)
    return target


if __name__ == "__main__":
    import sys

    print(pretrain(sys.argv[1], sys.argv[2], sys.argv[3:]))
