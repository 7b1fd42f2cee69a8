"""What a label is: its targets, loss, activation, figures and words."""
