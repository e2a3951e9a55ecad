package main

import (
	"os"

	"github.com/bottlenet/bnc"
	"github.com/spf13/pflag"
)

// tokenVariable holds the token where no file is given.
const tokenVariable = "BNC_TOKEN"

// declareRemote declares the flags that say which server is called, and as whom; use says
// what --cloud does.
func declareRemote(fs *pflag.FlagSet, o *bnc.RemoteOptions, use string) {
	o.Bearer = os.Getenv(tokenVariable)
	fs.StringVar(&o.Cloud, "cloud", "", use+": http://, https://, grpc:// or grpcs:// HOST:PORT")
	fs.StringVar(&o.Token, "token", "", "file with the bearer token for the server (default: the variable "+tokenVariable+")")
	fs.StringVar(&o.CA, "ca", "", "PEM file with the authorities that the server's certificate may be of (default: the machine's)")
	fs.StringVar(&o.Cert, "cert", "", "PEM file with this client's certificate")
	fs.StringVar(&o.Key, "key", "", "PEM file with its key")
}
