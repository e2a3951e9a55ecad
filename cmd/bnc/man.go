package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func manCommand() command {
	return command{
		name:   "man",
		args:   "DIR",
		short:  "Write the manual pages",
		hidden: true,
		setup: func(*pflag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				dir, err := oneArg(args, "folder")
				if err != nil {
					return err
				}
				if err := os.MkdirAll(dir, 0o777); err != nil {
					return err
				}
				root := newRoot(s)
				root.DisableAutoGenTag = true
				withSections(root)
				return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "bnc " + version, Manual: "BottleNet compiler"}, dir)
			}
		},
	}
}

// withSections puts what writeHelp tells besides flags into the texts that become manual
// pages, which are Markdown there.
func withSections(c *cobra.Command) {
	c.Long = fmt.Sprintf("%s\n\n# EXIT STATUS\n```\n%s\n```\n\n# ENVIRONMENT\n```\n%s```", c.Long, exits, environment(c))
	for _, sub := range c.Commands() {
		withSections(sub)
	}
}
