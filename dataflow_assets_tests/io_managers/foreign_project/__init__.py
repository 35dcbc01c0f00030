"""A project of somebody else's, which knows of ours nothing but the IO managers."""
