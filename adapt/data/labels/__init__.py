"""Class names, their order, and what each is called in prompts."""
