package main

import (
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

const clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"

// One member on the loopback, which flushes nothing: a test's cluster outlives no power cut.
func newEtcd() *cobra.Command {
	var folder string
	command := &cobra.Command{Use: "etcd", RunE: func(*cobra.Command, []string) error { return serve(folder) }}
	command.Flags().StringVar(&folder, "data-dir", "", "where to keep everything")
	return command
}

func serve(folder string) error {
	client, err := url.Parse(clients)
	if err != nil {
		return err
	}
	peer, err := url.Parse(peers)
	if err != nil {
		return err
	}
	settings := embed.NewConfig()
	settings.Name, settings.Dir, settings.LogLevel, settings.UnsafeNoFsync = "default", folder, "warn", true
	settings.ListenClientUrls, settings.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	settings.ListenPeerUrls, settings.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	settings.InitialCluster = settings.Name + "=" + peers
	server, err := embed.StartEtcd(settings)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-asked:
		server.Close()
		return nil
	case err := <-server.Err():
		return err
	}
}
