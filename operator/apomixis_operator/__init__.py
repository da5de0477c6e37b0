"""The operator: watches ApomixisCluster objects and takes each cluster to what is wanted."""
