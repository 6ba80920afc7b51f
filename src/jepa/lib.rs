//! Joint-embedding predictive models of cells: model, losses, training, checkpoints.
