"""Files of tables -> pyarrow: which rows and columns, which parts of files, batches as they come, SQL."""
