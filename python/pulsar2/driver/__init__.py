"""What the commands of `pulsar2` do: `build` runs the named pipelines, `run` simulates a model."""
