"""The bundle on disk: safetensors and JSON, every file hashed, no code.

    model/open_clip_config.json       architecture and preprocessing, as open_clip reads them
    model/open_clip_model.safetensors both encoders under open_clip's own names
    model/head.safetensors            weight (K, D) and bias (K) of the head, and its cache
    model/probe.safetensors           four images of noise and the logits they gave when saved
    model/classifier.json             class names, prompts, temperature, origin, hash of each file;
                                      thresholds under `uncertainty`, when the model has them

The first two are a model folder of plain open_clip: `open_clip.create_model("local-dir:model")`.
"""
