# %% [markdown]
# # From zero-shot to a robust model on your folder
#
# The pictures are drawings that ship with the package. In the place of `emoji` you can put
# `adapt.Images.from_folder("photos")`, and `"ViT-B-32", "openai"` in the place of the small model.

# %%
import adapt

emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
data = adapt.ImageData.build(emoji, val_fraction=0.2, seed=0)
names = [data.train.classes[key] for key in data.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
start

# %% [markdown]
# That is CLIP as it was pretrained. A head on its features learns from the training images:

# %%
tuned = adapt.method("linear_probe").fit(start, data)
best, curve = adapt.wise_ft(start, tuned, data.val)
curve.plot()

# %% [markdown]
# `wise_ft` walks from `start` (alpha 0) to `tuned` (alpha 1) in weight space, and chooses a point
# with the validation images alone. What it is worth shows on images that look different:

# %%
evals = {
    "emoji by other artists": adapt.Images.from_embedded("pictograms", "emoji", "test"),
    "outlines": adapt.Images.from_embedded("pictograms", "outline", "test"),
}
scores = adapt.evaluate({"zero-shot": start, "tuned": tuned, "mixed": best}, evals)
scores

# %%
scores.plot()
