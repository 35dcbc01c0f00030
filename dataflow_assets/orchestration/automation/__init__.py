"""What asks for runs: jobs, sensors, and the nightly reconciliation."""
