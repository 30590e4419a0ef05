"""The bundle on disk: safetensors and JSON, every file hashed, no code.

    model/open_clip_config.json       architecture and preprocessing, as open_clip reads them
    model/open_clip_model.safetensors both encoders under open_clip's own names
    model/delta.safetensors           in their place: how they differ from the pretrained weights
    model/adapter.safetensors         what LoRA added, where nothing else changed the encoders
    model/head.safetensors            weight (K, D) and bias (K) of the head, and its cache
    model/reference.safetensors       features, answers and confidences of held-out images, for
                                      `adapt monitor`, where a run made it
    model/probe.safetensors           four PNG files, and the logits and probabilities they gave
    model/classifier.json             class names, prompts, temperature, origin, hash of each file
                                      and of itself; thresholds under `uncertainty`, if any
    model/text_model.json             settings of a Hugging Face text encoder, where it is one
    model/tokenizer.json              tokenizer of Hugging Face, where it is one
    model/MODEL_CARD.md               what the model is, for people, where a run made it

The first two are a model folder of plain open_clip, where text encoder and tokenizer are CLIP's
own: `open_clip.create_model("local-dir:model")`.

Nothing in it is looked up elsewhere: `arch` and `pretrained` say where the model came from, and are
read by people only. What may be built is listed in `adapt.models.architectures`.
"""
