package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	"github.com/spf13/cobra"
)

func newCoreDNS() *cobra.Command {
	return &cobra.Command{
		Use:                "coredns",
		DisableFlagParsing: true,
		Run:                func(*cobra.Command, []string) { coremain.Run() },
	}
}
