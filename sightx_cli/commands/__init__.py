"""The commands: one file each, named after it. They read options, call a workflow and show its result."""
