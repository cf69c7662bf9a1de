"""How channels are opened from their settings: one module for each family of kinds, `kinds` for all of them."""
