"""What several tests share: tiny models, packed sets, made-up runs."""
