"""Models by the ids that providers give them.

models.toml    models and their ids
model_ids      an id to its model and version
evidence       the models of a configuration to those of a pack
prices.toml    list prices of models, for gateway.config.shipped_prices
public_pack    the pack that the distribution ships, and its sources
"""
