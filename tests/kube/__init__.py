"""A real Kubernetes on one Linux machine, for the end-to-end tests: `python -m kube --help`.

Every machine of the cluster is a network namespace with its own containerd, kubelet and kube-proxy;
nothing comes from an image registry. It gives a kubeconfig and images on its machines, and nothing
else, so that the same tests run on a cluster that somebody already has.
"""
