"""The same module and data in your own Lightning trainer: any callback, logger or strategy."""

import os

import pytorch_lightning as pl

import adapt

tiny = "ADAPT_TINY" in os.environ
emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
data = adapt.ImageData.build(emoji, shots=2 if tiny else 16)
names = [emoji.classes[key] for key in data.class_names]
classifier = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)

for name, parameter in classifier.named_parameters():  # what requires gradients is what trains
    parameter.requires_grad_("ln_" in name and "visual" in name)

module = adapt.AdaptModule(classifier, adapt.Optim(lr=1e-3, epochs=1 if tiny else 5))
loader = adapt.ImageDataModule(
    data.train,
    data.val,
    data.class_names,
    classifier.backbone.preprocessing,
    augmentation="standard",
)
trainer = pl.Trainer(
    max_epochs=1 if tiny else 5,
    accelerator="auto",
    enable_checkpointing=False,
    logger=False,
    enable_progress_bar=False,
)
trainer.fit(module, datamodule=loader)
print({name: round(float(value), 3) for name, value in trainer.callback_metrics.items()})
