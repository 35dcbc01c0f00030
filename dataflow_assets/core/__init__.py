"""What has nothing to do with sources or stores: iteration, time windows, text, files, logging."""
