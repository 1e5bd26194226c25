// Command ferretdb speaks MongoDB's wire protocol over a PostgreSQL database.
//
// It runs FerretDB as a library, because its own command insists on files that its released source lacks. It ends on SIGINT and SIGTERM.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to serve on")
	postgres := flag.String("postgres", "", "PostgreSQL URL with an existing, empty database")
	flag.Parse()
	if *postgres == "" {
		log.Fatal("ferretdb: -postgres is required")
	}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: *listen},
		Handler:       "postgresql",
		PostgreSQLURL: *postgres,
	})
	if err != nil {
		log.Fatalf("ferretdb: %v", err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := server.Run(ctx); err != nil {
		log.Fatalf("ferretdb: %v", err)
	}
}
