"""The public wire models. The names in camelCase are the ones that users of the first system know."""
