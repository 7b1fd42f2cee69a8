"""Images packed in few large files: WebDataset shards (tar) and Parquet with their bytes, read in place."""
