package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/similar"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command is one bnc command.
type command struct {
	name  string
	args  string // of the usage line
	short string
	// long is the text of --help between usage and flags. What follows its line Example
	// or Examples are examples.
	long string
	// setup declares the flags and returns what runs the command.
	setup  func(fs *pflag.FlagSet) func(ctx context.Context, io streams, args []string) error
	subs   []command
	hidden bool
}

var commands = []command{
	modelsCommand, inspectCommand, splitCommand, trainCommand, runCommand, evalCommand, profileCommand, searchCommand, selectCommand, reportCommand, serveCommand, benchCommand, exportCommand, doctorCommand, versionCommand,
}

// quietFlag is the flag of every command that leaves out progress and notices.
const quietFlag = "quiet"

// newRoot returns the tree of commands, which write to s.
func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use: "bnc COMMAND [FLAGS]", DisableFlagsInUseLine: true, SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
		Short: "the BottleNet compiler",
		Long: `bnc, the BottleNet compiler: splits an ONNX CNN at a learnable bottleneck into a
mobile graph and a cloud graph for ONNX Runtime.`,
	}
	showVersion := root.Flags().Bool("version", false, "print the version")
	root.PersistentFlags().Bool(quietFlag, false, "no progress and no notices: errors and results only")
	root.RunE = func(_ *cobra.Command, args []string) error {
		if *showVersion {
			fmt.Fprintln(s.out, "bnc", version)
			return nil
		}
		overview(s.err, root)
		return usagef("which command?")
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { writeHelp(s.out, c) })
	for _, c := range append(slices.Clone(commands), completionCommand(), manCommand()) {
		root.AddCommand(c.tree(s))
	}
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Tell more of a command", DisableFlagsInUseLine: true, ValidArgsFunction: completeCommands,
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				return unknownCommand(c, rest[0])
			}
			if err == nil {
				err = c.Help()
			}
			return err
		},
	})
	root.InitDefaultHelpCmd()
	return root
}

// tree returns c and what is below it.
func (c command) tree(s streams) *cobra.Command {
	text, examples, _ := strings.Cut("\n"+strings.TrimSpace(c.long), "\nExample")
	_, examples, _ = strings.Cut(examples, ":\n")
	node := &cobra.Command{
		Use: strings.TrimSpace(c.name + " " + c.args), Short: c.short, Long: strings.TrimSpace(text), Example: examples,
		Hidden: c.hidden, DisableFlagsInUseLine: true, Args: cobra.ArbitraryArgs,
	}
	flags := node.Flags()
	flags.SortFlags = false
	do := c.setup(flags)
	flags.BoolP("help", "h", false, "show this help")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "float64Slice" && f.DefValue == "[]" { // pflag knows no default of the other slices
			f.DefValue = ""
		}
	})
	node.RunE = func(node *cobra.Command, args []string) error {
		set, err := fromEnvironment(flags)
		if err != nil {
			return wrongFlag(node, err)
		}
		s := s
		if quiet, err := flags.GetBool(quietFlag); err == nil && quiet {
			s.err = io.Discard
		}
		return set.blame(do(node.Context(), s, args))
	}
	for _, sub := range c.subs {
		node.AddCommand(sub.tree(s))
	}
	complete(node, c)
	return node
}

// dispatch runs the command that args name.
func dispatch(ctx context.Context, s streams, args []string) error {
	root := newRoot(s)
	if len(args) == 0 {
		args = []string{}
	}
	root.SetArgs(args)
	if found, rest, err := root.Find(args); err == nil && found == root {
		if i := slices.IndexFunc(rest, func(a string) bool { return !strings.HasPrefix(a, "-") }); i >= 0 && !slices.Contains(ofShells, rest[i]) {
			return unknownCommand(root, rest[i])
		}
	}
	return root.ExecuteContext(ctx)
}

// unknownCommand is the error of a command that is not below parent.
func unknownCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	if hint := similar.Hint(name, names); hint != "" {
		return usagef("no command %q%s", name, hint)
	}
	return usagef("no command %q; see %s --help", name, parent.CommandPath())
}

// wrongFlag is the error of flags that cannot be.
func wrongFlag(c *cobra.Command, err error) error {
	hint := ""
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := similar.Names(unknown.GetSpecifiedName(), names); len(near) > 0 {
			hint = "; did you mean --" + near[0] + "?"
		}
	}
	of := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), c.Root().Name()), " ")
	if of != "" {
		of += ": "
	}
	return usagef("%s%w%s; see %s --help", of, flagError(err), hint, c.CommandPath())
}
