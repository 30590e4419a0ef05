"""Sixteen images per class and LoRA; everything is chosen on val, test is scored once."""

import os

import adapt

tiny = "ADAPT_TINY" in os.environ  # the project's tests run every example small
emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
data = adapt.ImageData.build(emoji, val_fraction=0.2, shots=2 if tiny else 16, seed=0)
names = [emoji.classes[key] for key in data.class_names]

start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
optim = adapt.Optim(lr=2e-3, epochs=1 if tiny else 10, batch_size=32, weight_decay=0.01)
tuned = adapt.method("lora", rank=4, targets=["q", "k", "v"], optim=optim).fit(start, data)

test = {"test": adapt.Images.from_embedded("pictograms", "emoji", "test")}
scores = adapt.evaluate({"zero_shot": start, "lora": tuned}, test)
for name, row in scores.items():
    print(f"{name:10} {row['test']['accuracy']:.3f}")
print("LoRA minus zero-shot:", scores["lora"]["test"]["difference"]["accuracy"])
