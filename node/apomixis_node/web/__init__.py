"""The pages: upload, image, error, cluster status; plain HTML first, JavaScript where it helps."""
