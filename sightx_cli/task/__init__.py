"""What a label is: its targets, loss, activation, figures, strata, columns and words; one file for each kind."""
