"""Beyond one run and one machine: embeddings of very many images, sweeps of many runs."""
