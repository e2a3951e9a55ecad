package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/task"
)

// An app with the mobile halves of two bundles and a server with their cloud
// halves. The server is in this process here; elsewhere it is bnc serve, or
// another one of the Open Inference Protocol.
func Example() {
	ctx, end := context.WithCancel(context.Background())
	dirs := []string{"../testdata/host-static", "../testdata/host-dynamic"}
	address, done := exampleServer(ctx, dirs)
	defer func() { end(); <-done }()

	remote, err := oip.Dial(address, oip.DialOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer remote.Close()
	c, err := client.Open(ctx, client.Options{Bundles: dirs, Remote: remote, Fallback: true})
	if err != nil {
		log.Fatal(err) // bundles that cannot be loaded, or of different models
	}
	defer c.Close()

	result, err := c.Run(ctx, ort.Feed{"input": photo(1)}) // float32 [1 3 32 32]
	if err != nil {
		log.Fatal(err) // with Fallback: a server that refuses, or a model that fails
	}
	top, err := task.Top(result.Outputs, c.Meta().Labels, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(top[0][0].Label, result.Where, result.Fallback)
	// Output: cat split <nil>
}

// exampleServer serves bundles on a free port of this machine until ctx is done,
// and then closes done.
func exampleServer(ctx context.Context, dirs []string) (address string, done chan struct{}) {
	models := serve.NewRepository(serve.Options{})
	for i, name := range []string{"host-static", "host-dynamic"} {
		if err := models.Load(name, dirs[i]); err != nil {
			log.Fatal(err)
		}
	}
	server, err := serve.Listen(serve.ServerOptions{HTTP: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, models); err != nil {
			log.Print(err)
		}
		models.Close(context.Background())
	}()
	return "http://" + server.HTTPAddr(), done
}
