"""Parts of docks in which a person chooses: stack, target, method, parameters, computing. They start nothing."""
